import { Box } from "./kit";
import { NavPage } from "./nav/NavPage";
import { RunPage } from "./run/RunPage";
import { TaskPage } from "./task/TaskPage";

/** What Airflow passes to the component, from the page's address. */
export interface PluginProps {
  dagId?: string;
  runId?: string;
  taskId?: string;
  mapIndex?: string;
}

/** The page follows from where Airflow shows it: on a task, on a run, or by itself. */
function Page({ dagId, runId, taskId, mapIndex }: PluginProps) {
  if (dagId === undefined || runId === undefined) return <NavPage />;
  if (taskId === undefined) return <RunPage dagId={dagId} key={`${dagId} ${runId}`} runId={runId} />;
  const key = [dagId, runId, taskId, mapIndex].join(" ");
  return <TaskPage dagId={dagId} key={key} mapIndex={Number(mapIndex ?? -1)} runId={runId} taskId={taskId} />;
}

/** The class tells this package's part of Airflow's page from the rest. */
export function App(props: PluginProps) {
  return (
    <Box className="batchscore" minW={0}>
      <Page {...props} />
    </Box>
  );
}
