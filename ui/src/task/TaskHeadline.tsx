import { rerun } from "../api/actions";
import { pages } from "../api/base";
import type { TaskView } from "../api/types";
import { count, list, many, readable } from "../format";
import { Box, Flex, Text } from "../kit";
import { useEndings } from "../shared/StatusMessage";
import { ActionButton } from "../shared/ActionButton";
import { AirflowLink } from "../shared/links";
import { HeadlineBox } from "../shared/HeadlineBox";
import { activity, isWorking } from "../run/stageNames";
import { isOver } from "../run/states";

/** The task in one sentence. */
export function tellTask(view: TaskView): string {
  const name = readable(view.label) || view.task_id;
  const what = view.partitions ? list(view.partitions.key.map(readable)) : name;
  const retry = view.state === "up_for_retry";
  if (view.failure?.how === "killed") return `${name} was killed${retry ? "; Airflow tries again" : ""}.`;
  if (view.failure && retry) return `Try ${view.try_number} failed; Airflow tries again.`;
  if (view.failure?.how === "upstream") return `${name} did not run.`;
  if (view.failure) return `${name} failed.`;
  if (view.kind !== "score" || !view.totals) {
    return isOver(view)
      ? `${view.task_id}: ${view.state ?? "not started"}.`
      : `The task is ${activity(view.kind ?? "score", isWorking(view.state))}.`;
  }
  const { blocks, blocks_total, rows_quarantined } = view.totals;
  const bad = rows_quarantined ? `; ${many(rows_quarantined, "row")} in quarantine so far` : "";
  if (view.state === "success") {
    return `${what}: all ${many(blocks, "block")} ${blocks === 1 ? "is" : "are"} scored${rows_quarantined ? `; ${many(rows_quarantined, "row")} in quarantine` : ""}.`;
  }
  return `${what}: ${count(blocks)} of ${many(blocks_total, "block")} scored${bad}.`;
}

export function TaskHeadline({ view, refresh }: { view: TaskView; refresh: () => void }) {
  useEndings({ [view.task_id]: isOver(view) ? `${view.state ?? ""} ${view.try_number}` : "" });
  const tone = view.failure ? "failed" : view.state === "success" ? "success" : "running";
  const tasks = [{ task_id: view.task_id, map_index: view.map_index }];
  // What waits for another task is run again with that one, from the page of the run.
  const ownFailure = view.failure !== null && view.failure.how !== "upstream" && isOver(view);
  return (
    <HeadlineBox colour={tone} sentence={tellTask(view)} size="md" state={view.state}>
      {view.failure ? (
        <Box bg="bg" borderRadius="sm" overflowWrap="anywhere" px={3} py={2} whiteSpace="pre-line">
          <Text as="span" fontWeight="semibold">
            Why:{" "}
          </Text>
          {view.failure.message}
        </Box>
      ) : null}
      {ownFailure && !view.may.rerun ? (
        <Text fontSize="sm">When that is fixed, ask somebody who may clear tasks of this DAG.</Text>
      ) : null}
      <Flex align="center" gap={4} wrap="wrap">
        {ownFailure && view.may.rerun ? (
          <ActionButton
            act={() => rerun(view.dag_id, view.run_id, tasks, "go_on")}
            label="Go on"
            onDone={refresh}
            prominent
            title={`Run ${readable(view.label) || view.task_id} again?`}
          >
            <Text>Airflow clears this task and what comes after it, and runs them again in this run.</Text>
            <Text>What is scored already is kept.</Text>
          </ActionButton>
        ) : null}
        <AirflowLink to={pages.scoring(view.dag_id, view.run_id)}>The whole run</AirflowLink>
      </Flex>
    </HeadlineBox>
  );
}
