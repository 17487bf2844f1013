import { rerun } from "../api/actions";
import type { RunView } from "../api/types";
import { many, readable } from "../format";
import { Flex, Text } from "../kit";
import { ActionButton } from "../shared/ActionButton";
import { quarantineAdvice } from "./remedies";
import { isOver } from "./states";

/** What can be done with a partition: shown to who may, once its task has ended. */
export function PartitionActions({ view, index, onDone }: { view: RunView; index: number; onDone: () => void }) {
  const { partitions } = view;
  const position = partitions.task[index] ?? -1;
  const task = partitions.tasks[position];
  if (!task || !isOver(task)) return null;
  if (!view.may.rerun) {
    return (
      <Text color="fg.muted" fontSize="sm">
        Your role does not allow you to clear tasks of this DAG, so you cannot score this partition again.
      </Text>
    );
  }
  const key = readable(partitions.key[index] ?? "");
  const together = partitions.task.filter((other) => other === position).length;
  const what = together > 1 ? `${key} and the ${many(together - 1, "partition")} of its pack` : key;
  const tasks = [{ task_id: task.task_id, map_index: task.map_index }];
  const act = (how: "go_on" | "force" | "replay") => () => rerun(view.dag_id, view.run_id, tasks, how);
  const after = "Airflow clears its task and what comes after it, and runs them again in this run.";
  const readers = "Readers keep what is published now until the new scores have passed the checks.";
  const quarantined = partitions.rows_quarantined[index] ?? 0;
  return (
    <Flex gap={2} wrap="wrap">
      {partitions.state[index] === "failed" ? (
        <ActionButton
          act={act("go_on")}
          label="Go on"
          onDone={onDone}
          prominent
          title={`Score what is missing of ${what}?`}
        >
          <Text>{after}</Text>
          <Text>Blocks that are scored already are kept.</Text>
        </ActionButton>
      ) : null}
      {quarantined > 0 && view.may.ask ? (
        <ActionButton
          act={act("replay")}
          label="Replay quarantine"
          onDone={onDone}
          title={`Score the quarantined rows of ${what} again?`}
        >
          <Text>{after}</Text>
          <Text>Only blocks with quarantined rows are scored again. {readers}</Text>
          <Text>{quarantineAdvice(view)}</Text>
        </ActionButton>
      ) : null}
      {view.may.ask ? (
        <ActionButton
          act={act("force")}
          label="Score again"
          onDone={onDone}
          title={`Score ${what} again from the start?`}
        >
          <Text>{after}</Text>
          <Text>What is scored already is not reused. {readers}</Text>
        </ActionButton>
      ) : null}
    </Flex>
  );
}
