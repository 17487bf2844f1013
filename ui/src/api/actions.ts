import { onServer, routes } from "./base";
import { ApiError, getJson, sendJson } from "./client";
import type { Promotion } from "./types";

/** A task instance; of a task that is not mapped, the index is -1. */
export interface TaskRef {
  task_id: string;
  map_index: number;
}

/** What was done. */
export interface Done {
  text: string;
  /** Tasks that run again now. */
  tasks: string[];
}

/** What tasks are asked to do when they run again. `go_on`: what is committed is kept, what is missing is scored. */
export type Rerun = "go_on" | "force" | "replay";

/** Requests at once: a pack's run has hundreds of tasks. */
const BATCH = 10;
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

async function inBatches(urls: string[], send: (url: string) => Promise<unknown>): Promise<void> {
  for (let first = 0; first < urls.length; first += BATCH) {
    const sent = await Promise.allSettled(urls.slice(first, first + BATCH).map(send));
    const failed = sent.find((one) => one.status === "rejected");
    if (failed) throw failed.reason;
  }
}

/** Clears tasks of a run and those after them. */
async function clear(dagUrl: string, run: string, tasks: TaskRef[]): Promise<Done> {
  const cleared = await sendJson<Cleared>("POST", onServer(`${dagUrl}/clearTaskInstances`), {
    dry_run: false,
    dag_run_id: run,
    task_ids: tasks.map(({ task_id, map_index }) => (map_index < 0 ? task_id : [task_id, map_index])),
    only_failed: false,
    include_downstream: true,
  });
  if (!cleared?.total_entries) {
    throw new ApiError(409, "Airflow cleared no task: somebody else may have cleared them. Reload the page.");
  }
  const names = [...new Set(cleared.task_instances.map((task) => task.task_id))];
  const number = cleared.total_entries === 1 ? "1 task" : `${cleared.total_entries} tasks`;
  return { text: `Airflow runs ${number} again: ${names.join(", ")}.`, tasks: names };
}

/** Removes requests, or else the next "Go on" would do what was asked here. */
async function withdraw(requests: string[], cause: unknown): Promise<void> {
  try {
    await inBatches(requests, (url) => sendJson("DELETE", url));
  } catch {
    const [status, text] = cause instanceof ApiError ? [cause.status, cause.message] : [0, String(cause)];
    throw new ApiError(status, `${text} (The request is still stored: these tasks follow it when they next run.)`);
  }
}

/** Clear tasks of a run and those after them, by Airflow's own API, which checks the permission and writes the audit log. */
export async function rerun(dag: string, run: string, tasks: TaskRef[], how: Rerun): Promise<Done> {
  const dagUrl = `api/v2/dags/${encodeURIComponent(dag)}`;
  if (how === "go_on") return await clear(dagUrl, run, tasks);
  const instances = `${dagUrl}/dagRuns/${encodeURIComponent(run)}/taskInstances`;
  const urls = tasks.map(({ task_id, map_index }) =>
    onServer(`${instances}/${encodeURIComponent(task_id)}/state-store/${KEYS[how]}?map_index=${map_index}`),
  );
  const value = await requester();
  const stored: string[] = [];
  try {
    await inBatches(urls, async (url) => {
      await sendJson("PUT", url, { value });
      stored.push(url);
    });
    return await clear(dagUrl, run, tasks);
  } catch (cause) {
    await withdraw(stored, cause);
    throw cause;
  }
}

/** Move an alias to a version. */
export async function promote(promotion: Promotion): Promise<void> {
  await sendJson("POST", routes.promote(), promotion);
}
