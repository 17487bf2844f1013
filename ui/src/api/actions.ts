import { onServer, routes } from "./base";
import { ApiError, getJson, sendJson } from "./client";
import type { ModelHistory, Promotion } from "./types";

/** A task instance; of a task that is not mapped, the index is -1. */
export interface TaskRef {
  task_id: string;
  map_index: number;
}

/** What tasks are asked to do when they run again. `go_on`: what is committed is kept, what is missing is scored. */
export type Rerun = "go_on" | "force" | "replay";

const KEYS = { force: "batchscore_force", replay: "batchscore_replay" };

interface Cleared {
  total_entries: number;
  task_instances: { task_id: string }[];
}

async function requester(): Promise<string> {
  const when = new Date().toISOString();
  try {
    const me = await getJson<{ username: string }>(onServer("ui/auth/me"));
    return `${when} by ${me.username}`;
  } catch {
    return `${when} by a user of the Scoring page`;
  }
}

/**
 * Clear tasks of a run and those after them, by Airflow's own API, which checks the permission and writes the audit log.
 *
 * @returns what happens now, in words.
 */
export async function rerun(dag: string, run: string, tasks: TaskRef[], how: Rerun): Promise<string> {
  const at = `api/v2/dags/${encodeURIComponent(dag)}`;
  if (how !== "go_on") {
    const value = await requester();
    const instances = `${at}/dagRuns/${encodeURIComponent(run)}/taskInstances`;
    for (const { task_id, map_index } of tasks) {
      const key = `${encodeURIComponent(task_id)}/state-store/${KEYS[how]}?map_index=${map_index}`;
      await sendJson("PUT", onServer(`${instances}/${key}`), { value });
    }
  }
  const cleared = await sendJson<Cleared>("POST", onServer(`${at}/clearTaskInstances`), {
    dry_run: false,
    dag_run_id: run,
    task_ids: tasks.map(({ task_id, map_index }) => (map_index < 0 ? task_id : [task_id, map_index])),
    only_failed: false,
    include_downstream: true,
  });
  if (!cleared?.total_entries) {
    throw new ApiError(409, "Airflow cleared no task: somebody else may have cleared them. Reload the page.");
  }
  const names = [...new Set(cleared.task_instances.map((task) => task.task_id))].join(", ");
  return `Airflow runs ${cleared.total_entries === 1 ? "1 task" : `${cleared.total_entries} tasks`} again: ${names}.`;
}

/** Move an alias to a version. */
export async function promote(promotion: Promotion): Promise<ModelHistory | null> {
  return await sendJson<ModelHistory>("POST", routes.promote(), promotion);
}
