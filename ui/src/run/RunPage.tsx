import { useCallback, useState } from "react";

import { routes } from "../api/base";
import type { RunView } from "../api/types";
import { useLive } from "../api/useLive";
import { Box, Stack, Text } from "../kit";
import { OutsideLink, DOCS } from "../shared/links";
import { Incomplete, Loaded, Nothing } from "../shared/Notice";
import { WithStatusMessage, useEndings } from "../shared/StatusMessage";
import { Distributions } from "./Distributions";
import { Gates } from "./Gates";
import { HeadlineCard } from "./HeadlineCard";
import { ModelSection } from "./ModelSection";
import { OutputSection } from "./OutputSection";
import { type Identity, find, identity } from "./identity";
import { PartitionPanel } from "./PartitionPanel";
import { Partitions } from "./Partitions";
import { ProgressSection } from "./ProgressSection";
import { Quarantine } from "./Quarantine";
import { Stages } from "./Stages";
import { committed, paceOfRun } from "./polling";

function NoScoring() {
  return (
    <Nothing title="Nothing to show: this DAG has no batch scoring tasks.">
      <Text fontSize="sm">
        This tab belongs to <OutsideLink href={DOCS}>airflow-batchscore</OutsideLink>, which scores machine learning
        models over partitioned data.
      </Text>
    </Nothing>
  );
}

/** The tab "Scoring" of a run. */
export function RunPage({ dagId, runId }: { dagId: string; runId: string }) {
  const live = useLive<RunView>(routes.run(dagId, runId), paceOfRun);
  return (
    <Box minW={0} p={{ base: 2, md: 4 }}>
      <WithStatusMessage>
        <Stack gap={4} minW={0}>
          <Loaded live={live}>
            {(view) => (view.is_scoring ? <Scoring view={view} refresh={live.refresh} /> : <NoScoring />)}
          </Loaded>
        </Stack>
      </WithStatusMessage>
    </Box>
  );
}

function Scoring({ view, refresh }: { view: RunView; refresh: () => void }) {
  useEndings(Object.fromEntries(view.stages.map((stage) => [stage.task_id, stage.ended ?? ""])));
  const [chosen, setChosen] = useState<Identity | null>(null);
  const open = (index: number) => setChosen(identity(view.partitions, index));
  const close = useCallback(() => setChosen(null), []);
  const { totals, partitions } = view;
  const index = chosen && find(partitions, chosen);
  return (
    <>
      <HeadlineCard view={view} onOpen={open} refresh={refresh} />
      {view.incomplete ? <Incomplete /> : null}
      <Stages view={view} />
      {totals.partitions > 0 ? (
        <>
          <ProgressSection view={view} />
          <Partitions view={view} chosen={index} onOpen={open} />
        </>
      ) : null}
      {view.gates.length > 0 ? <Gates gates={view.gates} /> : null}
      {totals.rows_quarantined > 0 ? <Quarantine view={view} /> : null}
      {committed(partitions).length > 0 ? <Distributions view={view} /> : null}
      <Box display="grid" gap={4} gridTemplateColumns="repeat(auto-fit, minmax(min(420px, 100%), 1fr))" minW={0}>
        {view.model ? <ModelSection model={view.model} /> : null}
        <OutputSection inputs={view.inputs} outputs={view.outputs} />
      </Box>
      <PartitionPanel view={view} index={index} onClose={close} refresh={refresh} />
    </>
  );
}
