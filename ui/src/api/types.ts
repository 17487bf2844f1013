/**
 * What the routes of the plugin answer (airflow_batchscore/plugin). Times are ISO 8601 in UTC, durations are seconds,
 * sizes are bytes, shares are between 0 and 1. Text comes from data and from people: it is shown, never trusted.
 */

/** Airflow's states of tasks, and of runs. `null`: the scheduler has not looked at the task yet. */
export type TaskState =
  | "success" | "failed" | "upstream_failed" | "skipped" | "removed" | "running" | "queued" | "scheduled"
  | "deferred" | "up_for_retry" | "up_for_reschedule" | "restarting" | null;

/** State of a partition. `reused`: it was committed before this run. */
export type PartitionState = "waiting" | "running" | "scored" | "reused" | "failed" | "skipped";

export interface Account {
  rows_read: number;
  rows_scored: number;
  rows_skipped: number;
  rows_quarantined: number;
}

/** GET /batchscore/api/run/{dag_id}/{run_id}: all that the run's tab shows at once. */
export interface RunView {
  dag_id: string;
  run_id: string;
  /** False: no task of the DAG belongs to this package; all else is empty. */
  is_scoring: boolean;
  state: TaskState;
  /** The server's clock, to which ages refer. */
  now: string;
  /** Storage did not answer in time, so that something is missing here: ask again, also when the run is over. */
  incomplete: boolean;
  /** Whether the user may clear tasks of this DAG (go on), and ask them to score anew (score again, replay): since Airflow 3.3. */
  may: { rerun: boolean; ask: boolean };
  /** Tasks of this package in the order of the flow; mapped tasks are one stage. */
  stages: Stage[];
  totals: Totals;
  /** What the plan predicted; null if it was not asked to. What scoring took is `totals.seconds`. */
  estimate: EstimateView | null;
  partitions: PartitionTable;
  /** Why tasks failed, worst first. Tasks with the same message are one failure. */
  failures: FailureView[];
  gates: GateView[];
  model: ModelCard | null;
  /** Templates of the data sets that the run scores. */
  inputs: { dataset: string }[];
  /** What its publishing tasks published, newest first. */
  outputs: OutputView[];
}

export interface Stage {
  task_id: string;
  kind: "wait" | "train" | "import" | "check_model" | "evaluate" | "plan" | "score" | "check_scores" | "combine";
  /** Of mapped tasks: failed if one failed, else running if one runs, and so on. */
  state: TaskState;
  started: string | null;
  ended: string | null;
  /** In which at least one of its tasks worked, without long pauses; null before the first. */
  seconds: number | null;
  /** Number of task instances, and of those by state; 1 for a task that is not mapped. */
  tasks: number;
  by_state: Record<string, number>;
}

export interface Totals extends Account {
  partitions: number;
  by_state: Record<PartitionState, number>;
  /** Bytes of the partitions' files as planned, and of those that are done (an estimate for those in progress). */
  bytes: number;
  bytes_done: number;
  blocks: number;
  blocks_total: number;
  /** In which at least one scoring task worked; null before the first. */
  seconds: number | null;
  /** Rows per second of this run's own scoring, over `seconds`; null if it has scored nothing itself. */
  rows_per_second: number | null;
  /** Time left for scoring; null when it cannot be told (yet) or when scoring has ended. */
  eta: { seconds: number; low: number; high: number } | null;
  /** Highest drift (PSI) of any column of any partition, and the limit of the gate; null where not measured, or not
   * read yet (`incomplete`). */
  drift: { value: number; column: string | null; partition: string | null } | null;
  drift_limit: number | null;
}

export interface EstimateView {
  /** Of scoring, and the range in which it probably lies. */
  seconds: number;
  low: number;
  high: number;
  /** The most that a task needs; null if it scores on other machines. */
  peak_memory: number | null;
  /** In the currency of the price that was given; null without one. */
  cost: number | null;
  rows: number;
  sample_seconds: number;
  sample_rows: number;
  /** The most that a scoring task has held so far; null if none has said. */
  took_memory: number | null;
}

/** Columns of equal length, one value per partition, in the order of the plan. */
export interface PartitionTable {
  key: string[];
  state: PartitionState[];
  rows_read: number[];
  rows_scored: number[];
  rows_skipped: number[];
  rows_quarantined: number[];
  /** As planned; 0 if unknown. */
  bytes: number[];
  blocks: number[];
  blocks_total: number[];
  seconds: (number | null)[];
  rows_per_second: (number | null)[];
  drift: (number | null)[];
  drift_column: (string | null)[];
  /** Model version, or how it was chosen; empty for a function. */
  model: string[];
  /** Index into `tasks`. */
  task: number[];
  /** The task instances that score them; several partitions of a pack share one. */
  tasks: ScoringTask[];
}

export interface ScoringTask {
  task_id: string;
  map_index: number;
  label: string;
  state: TaskState;
  /** Tries so far, and the most that Airflow makes. */
  try_number: number;
  max_tries: number;
  worker: string | null;
  started: string | null;
  ended: string | null;
  /** Index into `failures`; null if it has not failed. */
  failure: number | null;
}

export interface FailureView {
  kind: string;
  /** What happened, to what, what to do next. */
  message: string;
  /** `killed`: the process ended without a word. A task that never began is an `error`. */
  how: "error" | "killed" | "upstream";
  tasks: number;
  /** The first 20 of them. */
  where: { task_id: string; map_index: number; try_number: number; label: string }[];
}

export interface GateView {
  task_id: string;
  kind: "check_model" | "check_scores" | "evaluate";
  state: TaskState;
  checks: { what: string; found: string; allowed: string; problem: string | null }[];
}

export interface ModelCard {
  uri: string;
  version: string;
  digest: string;
  estimator: string;
  flavor: string;
  created: string;
  metrics: Record<string, number>;
  metrics_on: string;
  trained_on: string[];
  rows_trained: number;
  /** Column -> type that the model expects of the data, and method -> output column -> type. */
  raw: Record<string, string | null>;
  outputs: Record<string, Record<string, string>>;
  features: string[];
  libraries: Record<string, string>;
  compiled: string | null;
  aliases: string[];
  /** EvaluateOperator: on labels that have arrived since, newest first; `problems`: limits that the metrics violate. */
  evaluations: { when: string; partitions: string[]; metrics: Record<string, number>; problems: string[] }[];
  /** Why the card is incomplete, such as a model that is gone; null otherwise. */
  problem: string | null;
  /** Number of other models where each partition or value has its own. */
  others: number;
}

export interface OutputView {
  uri: string;
  /** When; null if that is not known any more. */
  published: string | null;
  /** Its task was cleared since, or failed: this is what it published before, which is still there. */
  is_earlier: boolean;
  /** Order number of the publication: its plan's time. */
  generation: number | null;
  rows: number | null;
  /** Number of partitions added, replaced and so on. */
  changes: { added: number; replaced: number; unchanged: number; kept: number; dropped: number } | null;
  /** Path of the report on this server. */
  report: string | null;
  /** The Delta version or Iceberg snapshot after the publication; null for an output that is no table. */
  table_version: string | null;
  /** One line to read what is published, by name of the library. */
  read_with: { name: string; code: string }[];
}

/** GET /batchscore/api/run/{dag_id}/{run_id}/profiles?key=...: distributions against training, of the named
 * partitions together, or without `key` of all (of very many, of a sample). */
export interface ProfilesView {
  columns: ProfileColumn[];
  /** Number of partitions that were looked at, and that have been committed. */
  looked_at: number;
  committed: number;
  /** As in `RunView`. */
  incomplete: boolean;
  /** Why there is nothing to compare with; null if there is. */
  problem: string | null;
}

export interface ProfileColumn {
  column: string;
  is_feature: boolean;
  /** Bins or classes. */
  labels: string[];
  training: number[];
  /** Shares of the partitions together. */
  scored: number[];
  /** PSI between the two; null if it cannot be told. */
  drift: number | null;
}

/** GET /batchscore/api/run/{dag_id}/{run_id}/quarantine */
export interface QuarantineView {
  /** In the partitions that are committed. */
  rows: number;
  /** Of those rows, how many the reasons count. */
  looked_at: number;
  /** As in `RunView`. */
  incomplete: boolean;
  reasons: { error: string; message: string; rows: number; partitions: string[] }[];
  /** `row`: position within the block. */
  examples: {
    partition: string; file: string; block: number; row: number; error: string; message: string;
    raw: Record<string, string | null>;
  }[];
  problem: string | null;
}

/** GET /batchscore/api/task/{dag_id}/{run_id}/{task_id}?map_index=3 */
export interface TaskView {
  dag_id: string;
  run_id: string;
  task_id: string;
  map_index: number;
  /** Null: not a task of this package. */
  kind: Stage["kind"] | null;
  label: string;
  state: TaskState;
  now: string;
  incomplete: boolean;
  may: { rerun: boolean; ask: boolean };
  try_number: number;
  max_tries: number;
  worker: string | null;
  /** Of a scoring task. */
  partitions: PartitionTable | null;
  totals: Totals | null;
  progress: {
    started: string;
    engine: string;
    memory: number | null;
    dataset: string;
    output: string;
    model: string;
    slowest: { partition: string; block: number; rows: number; seconds: number }[];
  } | null;
  failure: FailureView | null;
  gate: GateView | null;
}

/** GET /batchscore/api/runs?dag_id=&state=&page=1: scoring runs that the user may see, newest first. */
export interface RunsView {
  runs: RunRow[];
  /** Number of runs that match, on all pages of `page_size`. */
  total: number;
  page: number;
  page_size: number;
  /** DAGs that have scoring runs, for the filter. */
  dags: string[];
}

export interface RunRow {
  dag_id: string;
  run_id: string;
  state: TaskState;
  started: string | null;
  ended: string | null;
  model: string | null;
  partitions: number | null;
  rows: number | null;
  rows_per_second: number | null;
  rows_skipped: number | null;
  rows_quarantined: number | null;
  drift: number | null;
}

/** GET /batchscore/api/models */
export interface ModelsView {
  models: ModelHistory[];
  problem: string | null;
}

export interface ModelHistory {
  uri: string;
  /** Airflow connection by which runs name it: models of one URI may be two. */
  conn_id: string | null;
  dag_ids: string[];
  /** Whether the user may move aliases, through one of `dag_ids`: those that the user may edit come first in it. */
  may: { promote: boolean };
  /** Newest first. */
  versions: ModelVersion[];
  aliases: { alias: string; version: string; /** `by`: empty for runs of DAGs that the user may not read. */
  moves: { version: string; when: string; by: string }[] }[];
  /** Why it cannot be read; null otherwise. */
  problem: string | null;
}

export interface ModelVersion {
  version: string;
  created: string;
  estimator: string;
  flavor: string;
  metrics: Record<string, number>;
  metrics_on: string;
  trained_on: string[];
  rows_trained: number;
  features: string[];
  libraries: Record<string, string>;
  params: Record<string, string>;
  aliases: string[];
  /** Newest first, at most 20. */
  runs: { dag_id: string; run_id: string; started: string | null }[];
}

/** GET /batchscore/api/datasets: which partition was scored when, with which model version. */
export interface DatasetsView {
  datasets: DatasetHistory[];
}

export interface DatasetHistory {
  dataset: string;
  dag_ids: string[];
  /** Rows of the grid, and its columns: runs, oldest first, at most 30. */
  partitions: string[];
  runs: { dag_id: string; run_id: string; started: string | null; state: TaskState }[];
  versions: string[];
  /** [partition][run]: index into `versions`; -1 if the run did not score it, -2 if it failed there. */
  cells: number[][];
  /** `stale`: scored with another version than the newest run used. */
  latest: { state: "fresh" | "stale" | "missing"; why: string; version: string | null; run_id: string | null }[];
}

/** POST /batchscore/api/promote, answered with 204. */
export interface Promotion {
  dag_id: string;
  model_uri: string;
  conn_id: string | null;
  alias: string;
  version: string;
}
