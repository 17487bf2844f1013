import { pages } from "../api/base";
import type { FailureView, RunView } from "../api/types";
import { bytes, count, duration, many, measure, short, time } from "../format";
import { Alert, Box, Drawer, Flex, Portal, Stack, Text, Button } from "../kit";
import { Facts } from "../shared/Facts";
import { AirflowLink } from "../shared/links";
import { StateBadge } from "../shared/StateBadge";
import { PartitionActions } from "./PartitionActions";
import { notMeasured } from "./drift";
import { neverBegan } from "./headline";
import { nameOf } from "./identity";
import { LOOKS, shownAs } from "./states";

interface Props {
  view: RunView;
  /** Null: closed. */
  index: number | null;
  onClose: () => void;
  refresh: () => void;
}

/** Details of one partition, at the side of the page. */
export function PartitionPanel({ view, index, onClose, refresh }: Props) {
  return (
    <Drawer.Root onOpenChange={(change) => !change.open && onClose()} open={index !== null} size="md">
      <Portal>
        <Drawer.Backdrop />
        <Drawer.Positioner>
          <Drawer.Content>
            {index === null ? null : <Panel index={index} onClose={onClose} refresh={refresh} view={view} />}
          </Drawer.Content>
        </Drawer.Positioner>
      </Portal>
    </Drawer.Root>
  );
}

function Panel({ view, index, onClose, refresh }: Props & { index: number }) {
  const { partitions } = view;
  // The page below says what was done.
  const done = () => {
    onClose();
    refresh();
  };
  return (
    <>
      <Drawer.Header alignItems="start" gap={3}>
        <Box flex={1} minW={0}>
          <Drawer.Title overflowWrap="anywhere">{nameOf(partitions, index)}</Drawer.Title>
          <Text color="fg.muted" fontSize="sm">
            {LOOKS[shownAs(partitions, index)].label}
          </Text>
        </Box>
        <Button onClick={onClose} size="xs" variant="outline">
          Close
        </Button>
      </Drawer.Header>
      <Drawer.Body>
        <Stack gap={4}>
          <Why index={index} view={view} />
          <PartitionActions index={index} onDone={done} view={view} />
          <Account index={index} view={view} />
          <TaskFacts index={index} view={view} />
        </Stack>
      </Drawer.Body>
    </>
  );
}

function titleOf(failure: FailureView): string {
  if (failure.how === "killed") return "Its task was killed";
  return neverBegan(failure) ? "Its task never began" : failure.kind;
}

function driftOf(view: RunView, index: number): string {
  const { drift, drift_column } = view.partitions;
  const value = drift[index] ?? null;
  if (value === null) return notMeasured(view);
  const limit = view.totals.drift_limit === null ? "" : ` (limit ${measure(view.totals.drift_limit)})`;
  const column = drift_column[index] ?? null;
  return `${measure(value)}${limit}${column === null ? "" : `: ${column}`}`;
}

function Why({ view, index }: { view: RunView; index: number }) {
  const task = view.partitions.tasks[view.partitions.task[index] ?? -1];
  const failure = task && task.failure !== null ? view.failures[task.failure] : undefined;
  if (!failure) return null;
  return (
    <Alert.Root status={view.partitions.state[index] === "failed" ? "error" : "warning"}>
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>{titleOf(failure)}</Alert.Title>
        <Alert.Description overflowWrap="anywhere" whiteSpace="pre-line">
          {failure.message}
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  );
}

function Account({ view, index }: { view: RunView; index: number }) {
  const { partitions: all } = view;
  return (
    <Facts
      facts={[
        ["Rows read", count(all.rows_read[index] ?? null)],
        ["Scored", count(all.rows_scored[index] ?? null)],
        ["Skipped by the recipe", count(all.rows_skipped[index] ?? null)],
        ["In quarantine", count(all.rows_quarantined[index] ?? null)],
        ["Blocks", `${count(all.blocks[index] ?? null)} of ${count(all.blocks_total[index] ?? null)}`],
        ["Size", bytes(all.bytes[index] || null)],
        ["Time", duration(all.seconds[index] ?? null)],
        ["Rows per second", short(all.rows_per_second[index] ?? null)],
        ["Highest drift (PSI)", driftOf(view, index)],
        ["Model", all.model[index] || "–"],
      ]}
      wide={130}
    />
  );
}

function TaskFacts({ view, index }: { view: RunView; index: number }) {
  const position = view.partitions.task[index] ?? -1;
  const task = view.partitions.tasks[position];
  if (!task) return null;
  const together = view.partitions.task.filter((other) => other === position).length;
  const at = [view.dag_id, view.run_id, task.task_id, task.map_index] as const;
  return (
    <Box borderColor="border" borderTopWidth={1} pt={4}>
      <Flex align="center" gap={3} mb={3} wrap="wrap">
        <Text fontWeight="semibold">
          Task {task.task_id}
          {task.map_index < 0 ? "" : ` [${task.map_index}]`}
        </Text>
        <StateBadge state={task.state} />
        <AirflowLink to={pages.log(...at)}>Log</AirflowLink>
        <AirflowLink to={pages.details(...at)}>Airflow's task page</AirflowLink>
      </Flex>
      {together > 1 ? (
        <Text fontSize="sm" mb={3}>
          This task scores {many(together, "partition")} in a pack.
        </Text>
      ) : null}
      <Facts
        facts={[
          ["Try", `${task.try_number} of ${task.max_tries}`],
          ["Worker", task.worker ?? "–"],
          ["Started", time(task.started)],
          ["Ended", time(task.ended)],
        ]}
        wide={180}
      />
    </Box>
  );
}
