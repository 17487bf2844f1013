/** Path under which Airflow is served, with a slash at its end: `/`, or of `[api] base_url = https://host/team/`: `/team/`. */
export function basePath(): string {
  const base = document.querySelector<HTMLBaseElement>("head > base");
  const path = base ? new URL(base.href).pathname : "/";
  return path.endsWith("/") ? path : `${path}/`;
}

/** The address of a path on this server, wherever a proxy has put it. */
export function onServer(path: string): string {
  const base = basePath();
  // The plugin's own paths may come with the base path. Those of pages never do, and it may be `/dags/`, as they begin.
  const isComplete = path.startsWith(`${base}batchscore/`);
  return isComplete ? path : base + path.replace(/^\//, "");
}

const joined = (parts: (string | number)[]) => parts.map((part) => encodeURIComponent(part)).join("/");

/** Routes of the plugin. */
export const routes = {
  run: (dag: string, run: string) => onServer(`batchscore/api/run/${joined([dag, run])}`),
  profiles: (dag: string, run: string, key: string | null) =>
    onServer(
      `batchscore/api/run/${joined([dag, run])}/profiles${key === null ? "" : `?${new URLSearchParams({ key })}`}`,
    ),
  quarantine: (dag: string, run: string) => onServer(`batchscore/api/run/${joined([dag, run])}/quarantine`),
  task: (dag: string, run: string, task: string, mapIndex: number) =>
    onServer(`batchscore/api/task/${joined([dag, run, task])}?map_index=${mapIndex}`),
  runs: (query: URLSearchParams) => onServer(`batchscore/api/runs?${query}`),
  models: () => onServer("batchscore/api/models"),
  datasets: () => onServer("batchscore/api/datasets"),
  promote: () => onServer("batchscore/api/promote"),
};

/** Pages of Airflow, relative to its base path, as its router wants them. */
export const pages = {
  dag: (dag: string) => `/dags/${joined([dag])}`,
  run: (dag: string, run: string) => `/dags/${joined([dag])}/runs/${joined([run])}`,
  /** The run's tab of this plugin: its `url_route`. */
  scoring: (dag: string, run: string) => `${pages.run(dag, run)}/plugin/batchscore-run`,
  /** The task's page opens with its log. */
  log: (dag: string, run: string, task: string, mapIndex: number) =>
    `${pages.run(dag, run)}/tasks/${joined([task])}${mapIndex < 0 ? "" : `/mapped/${mapIndex}`}`,
  details: (dag: string, run: string, task: string, mapIndex: number) =>
    `${pages.log(dag, run, task, mapIndex)}/details`,
};
