import { routes } from "../api/base";
import type { ModelHistory as Model, ModelsView } from "../api/types";
import { useLive } from "../api/useLive";
import { Alert, NativeSelect, Stack, useSearchParams } from "../kit";
import { Loaded, Nothing } from "../shared/Notice";
import { ModelHistory } from "./ModelHistory";

/** Models of one URI may be two, by the connections with which runs read them. */
const keyOf = ({ uri, conn_id }: Model) => JSON.stringify([uri, conn_id]);

function nameOf({ uri, conn_id }: Model, all: Model[]): string {
  if (all.filter((one) => one.uri === uri).length < 2) return uri;
  return `${uri} (${conn_id === null ? "without a connection" : `connection ${conn_id}`})`;
}

/** The model that the address names; without a connection there, the first of that URI. */
function named(models: Model[], query: URLSearchParams): Model | undefined {
  const same = models.filter((one) => one.uri === query.get("model"));
  return same.find((one) => one.conn_id === query.get("conn")) ?? same[0] ?? models[0];
}

/** Models that scored the runs that the user may see; which one is open stands in the address. */
export function ModelsTab() {
  const live = useLive<ModelsView>(routes.models());
  const [query, setQuery] = useSearchParams();
  return (
    <Loaded live={live}>
      {({ models, problem }) => {
        const model = named(models, query);
        const open = ({ uri, conn_id }: Model) =>
          setQuery({ tab: "models", model: uri, ...(conn_id === null ? {} : { conn: conn_id }) });
        return (
          <Stack gap={4}>
            {problem === null ? null : (
              <Alert.Root status="warning">
                <Alert.Indicator />
                <Alert.Title>{problem}</Alert.Title>
              </Alert.Root>
            )}
            {model ? (
              <>
                <NativeSelect.Root maxW="640px" size="sm">
                  <NativeSelect.Field
                    aria-label="Model"
                    onChange={(event) => {
                      const chosen = models.find((one) => keyOf(one) === event.target.value);
                      if (chosen) open(chosen);
                    }}
                    value={keyOf(model)}
                  >
                    {models.map((one) => (
                      <option key={keyOf(one)} value={keyOf(one)}>
                        {nameOf(one, models)}
                      </option>
                    ))}
                  </NativeSelect.Field>
                  <NativeSelect.Indicator />
                </NativeSelect.Root>
                <ModelHistory key={keyOf(model)} model={model} refresh={live.refresh} />
              </>
            ) : (
              <Nothing title="No model yet.">A model appears here when a run has scored with it.</Nothing>
            )}
          </Stack>
        );
      }}
    </Loaded>
  );
}
