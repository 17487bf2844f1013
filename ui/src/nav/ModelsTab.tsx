import { routes } from "../api/base";
import type { ModelsView } from "../api/types";
import { useLive } from "../api/useLive";
import { Alert, NativeSelect, Stack, useSearchParams } from "../kit";
import { Loaded, Nothing } from "../shared/Notice";
import { ModelHistory } from "./ModelHistory";

/** Models that scored the runs that the user may see; which one is open stands in the address. */
export function ModelsTab() {
  const live = useLive<ModelsView>(routes.models());
  const [query, setQuery] = useSearchParams();
  return (
    <Loaded live={live}>
      {({ models, problem }) => {
        const model = models.find((one) => one.uri === query.get("model")) ?? models[0];
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
                    onChange={(event) => setQuery({ tab: "models", model: event.target.value })}
                    value={model.uri}
                  >
                    {models.map(({ uri }) => (
                      <option key={uri} value={uri}>
                        {uri}
                      </option>
                    ))}
                  </NativeSelect.Field>
                  <NativeSelect.Indicator />
                </NativeSelect.Root>
                <ModelHistory key={model.uri} model={model} refresh={live.refresh} />
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
