import { useSearchParams, Box, Heading, Stack, Tabs } from "../kit";
import { WithStatusMessage } from "../shared/StatusMessage";
import { DatasetsTab } from "./DatasetsTab";
import { ModelsTab } from "./ModelsTab";
import { RunsTab } from "./RunsTab";

const TABS = ["runs", "models", "datasets"] as const;

/** The page "Batch scoring" of Airflow's menu. Which tab is open stands in the address. */
export function NavPage() {
  const [query, setQuery] = useSearchParams();
  const tab = TABS.find((one) => one === query.get("tab")) ?? "runs";
  return (
    <Box minW={0} p={{ base: 2, md: 4 }}>
      <WithStatusMessage>
        <Stack gap={3}>
          <Heading as="h1" size="lg">
            Batch scoring
          </Heading>
          <Tabs.Root
            colorPalette="brand"
            lazyMount
            onValueChange={({ value }) => setQuery(value === "runs" ? {} : { tab: value })}
            unmountOnExit
            value={tab}
          >
            <Tabs.List mb={3}>
              <Tabs.Trigger value="runs">Runs</Tabs.Trigger>
              <Tabs.Trigger value="models">Models</Tabs.Trigger>
              <Tabs.Trigger value="datasets">Data sets</Tabs.Trigger>
            </Tabs.List>
            <Tabs.Content p={0} value="runs">
              <RunsTab />
            </Tabs.Content>
            <Tabs.Content p={0} value="models">
              <ModelsTab />
            </Tabs.Content>
            <Tabs.Content p={0} value="datasets">
              <DatasetsTab />
            </Tabs.Content>
          </Tabs.Root>
        </Stack>
      </WithStatusMessage>
    </Box>
  );
}
