import { routes } from "../api/base";
import type { TaskView } from "../api/types";
import { useLive } from "../api/useLive";
import { Box, Stack, Text } from "../kit";
import { DOCS, OutsideLink } from "../shared/links";
import { Incomplete, Loaded, Nothing } from "../shared/Notice";
import { WithStatusMessage } from "../shared/StatusMessage";
import { paceOfTask } from "../run/polling";
import { Gates } from "../run/Gates";
import { TaskProgress } from "./TaskProgress";
import { TaskHeadline } from "./TaskHeadline";

interface Props {
  dagId: string;
  runId: string;
  taskId: string;
  mapIndex: number;
}

/** The tab "Scoring" of a task. */
export function TaskPage({ dagId, runId, taskId, mapIndex }: Props) {
  const live = useLive<TaskView>(routes.task(dagId, runId, taskId, mapIndex), paceOfTask);
  return (
    <Box minW={0} p={{ base: 2, md: 4 }}>
      <WithStatusMessage>
        <Stack gap={4} minW={0}>
          <Loaded live={live}>
            {(view) =>
              view.kind === null ? (
                <Nothing title="Nothing to show: this task does not score.">
                  <Text fontSize="sm">
                    This tab belongs to <OutsideLink href={DOCS}>airflow-batchscore</OutsideLink>, which scores machine
                    learning models over partitioned data.
                  </Text>
                </Nothing>
              ) : (
                <>
                  <TaskHeadline refresh={live.refresh} view={view} />
                  {view.incomplete ? <Incomplete /> : null}
                  <TaskProgress view={view} />
                  {view.gate ? <Gates gates={[view.gate]} /> : null}
                </>
              )
            }
          </Loaded>
        </Stack>
      </WithStatusMessage>
    </Box>
  );
}
