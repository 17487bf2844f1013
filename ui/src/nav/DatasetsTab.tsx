import { routes } from "../api/base";
import type { DatasetsView } from "../api/types";
import { useLive } from "../api/useLive";
import { NativeSelect, Stack, useSearchParams } from "../kit";
import { Loaded, Nothing } from "../shared/Notice";
import { DatasetGrid } from "./DatasetGrid";

/** Which partition was scored when, with which version of the model. */
export function DatasetsTab() {
  const live = useLive<DatasetsView>(routes.datasets());
  const [query, setQuery] = useSearchParams();
  return (
    <Loaded live={live}>
      {({ datasets }) => {
        const dataset = datasets.find((one) => one.dataset === query.get("dataset")) ?? datasets[0];
        if (!dataset)
          return <Nothing title="No data set yet.">A data set appears here when a run has scored it.</Nothing>;
        return (
          <Stack gap={4}>
            <NativeSelect.Root maxW="640px" size="sm">
              <NativeSelect.Field
                aria-label="Data set"
                onChange={(event) => setQuery({ tab: "datasets", dataset: event.target.value })}
                value={dataset.dataset}
              >
                {datasets.map((one) => (
                  <option key={one.dataset} value={one.dataset}>
                    {one.dataset}
                  </option>
                ))}
              </NativeSelect.Field>
              <NativeSelect.Indicator />
            </NativeSelect.Root>
            <DatasetGrid key={dataset.dataset} history={dataset} />
          </Stack>
        );
      }}
    </Loaded>
  );
}
