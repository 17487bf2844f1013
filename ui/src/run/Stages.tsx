import { pages } from "../api/base";
import type { RunView, Stage } from "../api/types";
import { duration } from "../format";
import { Box, Flex, Text } from "../kit";
import { AirflowLink } from "../shared/links";
import { StateBadge, stateName } from "../shared/StateBadge";
import { STAGE_NAMES } from "./stageNames";

const NOT_BEGUN = ["none", "scheduled", "queued", "upstream_failed", "skipped", "removed"];

/** How long its tasks have worked; nothing before the first has begun, though Airflow gives a cleared task times, too. */
function took({ by_state, seconds }: Stage): string {
  const begun = Object.entries(by_state).some(([state, tasks]) => tasks > 0 && !NOT_BEGUN.includes(state));
  return begun && seconds !== null ? duration(seconds) : "";
}

function Counts({ stage }: { stage: Stage }) {
  if (stage.tasks <= 1) return null;
  const counts = Object.entries(stage.by_state).filter(([, tasks]) => tasks > 0);
  return (
    <Text color="fg.muted" fontSize="xs">
      {counts.map(([state, tasks]) => `${tasks.toLocaleString()} ${stateName(state)}`).join(", ")}
    </Text>
  );
}

/** Airflow's page of the task, or its list of a mapped task's instances. */
function pageOf(view: RunView, stage: Stage): string {
  const page = pages.log(view.dag_id, view.run_id, stage.task_id, -1);
  const one = view.partitions.tasks.find((task) => task.task_id === stage.task_id);
  return stage.tasks > 1 || (one && one.map_index >= 0) ? `${page}/mapped` : page;
}

/** The steps of the pipeline, in order. */
export function Stages({ view }: { view: RunView }) {
  return (
    <Box
      aria-label="Steps of the run"
      as="ol"
      display="grid"
      gap={2}
      gridTemplateColumns="repeat(auto-fill, minmax(min(120px, 100%), 1fr))"
      listStyleType="none"
      m={0}
      p={0}
    >
      {view.stages.map((stage) => (
        <Box
          as="li"
          bg="bg"
          borderColor="border"
          borderRadius="md"
          borderTopColor={`${stage.state ?? "none"}.solid`}
          borderTopWidth="3px"
          borderWidth={1}
          key={stage.task_id}
          px={2.5}
          py={2}
        >
          <Text fontSize="sm" fontWeight="semibold">
            {STAGE_NAMES[stage.kind].title}
          </Text>
          <Box fontSize="xs" mb={1} overflowWrap="anywhere">
            <AirflowLink to={pageOf(view, stage)}>{stage.task_id}</AirflowLink>
          </Box>
          <Flex align="center" columnGap={2} wrap="wrap">
            <StateBadge state={stage.state} />
            <Text color="fg.muted" fontSize="xs" whiteSpace="nowrap">
              {took(stage)}
            </Text>
          </Flex>
          <Counts stage={stage} />
        </Box>
      ))}
    </Box>
  );
}
