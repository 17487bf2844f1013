import { expect, it } from "vitest";

import { table, totals, years } from "../fixtures/partitions";
import * as runs from "../fixtures/runs";
import { headline } from "./headline";

it("tells of one failed partition what happened, why, and what to press", () => {
  const told = headline(runs.failed);
  expect(told.sentence).toBe("16 of 17 partitions are scored, year=2009 failed; nothing was published.");
  expect(told.why).toEqual([expect.stringContaining("row 1,204 of s3://tennis/wta_matches_2009.csv has 52 fields")]);
  expect(told.advice).toContain("What is scored already is kept");
  expect(told.actions).toMatchObject([{ label: "Go on", how: "go_on", tasks: [{ task_id: "score", map_index: 9 }] }]);
});

it("does not blame the data when a task was killed", () => {
  const told = headline(runs.killed);
  expect(told.sentence).toBe("16 of 17 partitions are scored, year=2012 failed; nothing was published.");
  expect(told.advice).toMatch(/^A task was killed, often for lack of memory\. Then go on/);
});

it("does not blame the data because of tasks that waited for a killed one", () => {
  const waited = { ...runs.killed.failures[0]!, kind: "UpstreamFailed", message: "Task score failed", tasks: 2 };
  const told = headline({ ...runs.killed, failures: [...runs.killed.failures, { ...waited, how: "upstream" }] });
  expect(told.advice).toMatch(/^A task was killed/);
});

it("blames neither data nor memory when a task never began", () => {
  const failure = { ...runs.failed.failures[0]!, kind: "NeverBegan", message: "Airflow failed the task" };
  const told = headline({ ...runs.failed, failures: [failure] });
  expect(told.advice).toMatch(/^First find out why the task could not start: see the logs/);
});

it("sends to Airflow's grid when no task of this package failed", () => {
  const stages = runs.finished.stages.map((stage) => ({ ...stage, state: "upstream_failed" as const }));
  const waiting = { ...runs.noScoring, is_scoring: true, state: "failed" as const, stages };
  const told = headline(waiting);
  expect(told.sentence).toBe("The run failed outside this pipeline; nothing was published.");
  expect(told.advice).toMatch(/^First look at the log of the task that failed\. Then clear it in Airflow's grid/);
  expect(told.actions).toEqual([]);
});

it("speaks of a single partition without counting", () => {
  expect(headline(runs.single("failed")).sentence).toBe(
    "The partition is not scored, year=2009 failed; nothing was published.",
  );
  expect(headline(runs.single("running")).sentence).toBe("The partition is not scored yet.");
});

it("names the first of many failed partitions", () => {
  expect(headline(runs.packs(250)).sentence).toBe(
    "9,960 of 10,000 partitions are scored, 40 partitions (the first is device=006, day=80) failed; nothing was published.",
  );
});

it("says that what was published before stays", () => {
  const outputs = runs.again.outputs;
  expect(headline({ ...runs.failed, outputs }).sentence).toMatch(/year=2009 failed; what it published before stays\.$/);
  expect(headline({ ...runs.finished, outputs }).sentence).toBe("All 17 partitions are scored.");
  expect(headline({ ...runs.failed, outputs: [...outputs, ...runs.finished.outputs] }).sentence).toMatch(
    /; the rest was published\.$/,
  );
});

it("names a partition of which no row could be scored", () => {
  expect(headline(runs.unscored).sentence).toBe(
    "All 17 partitions are scored and published. But no row of year=2003 could be scored. " +
      "2,744 rows could not be scored and are in quarantine.",
  );
});

it("tells partitions of the same key apart by their tasks, and decodes keys", () => {
  expect(headline(runs.twoStages).sentence).toMatch(/^3 of 4 partitions are scored, score_aces: year=2010 failed; /);
  const partitions = { ...runs.shops.partitions, state: runs.shops.partitions.key.map(() => "failed" as const) };
  expect(headline({ ...runs.shops, partitions, state: "failed" }).sentence).toContain(
    "store=München Süd, store=Köln and store=100% failed",
  );
});

it("offers nothing to who may not clear tasks, and says whom to ask", () => {
  const told = headline({ ...runs.failed, may: { rerun: false, ask: false } });
  expect(told.actions).toEqual([]);
  expect(told.advice).toContain("ask somebody who may clear tasks of this DAG");
});

it("tells how far a run is; the time left stands elsewhere, as screen readers would say it anew at every poll", () => {
  expect(headline(runs.running).sentence).toBe("8 of 17 partitions are scored.");
});

it("tells what a run does before and after scoring", () => {
  const stages = runs.running.stages.map((stage) => ({
    ...stage,
    ...(stage.kind === "train" ? { state: "running" as const, by_state: { running: 1 } } : {}),
  }));
  const training = { ...runs.running, stages, totals: { ...runs.running.totals, partitions: 0 } };
  expect(headline(training).sentence).toBe("The run is training the model.");
  const queued = {
    ...training,
    state: "queued" as const,
    stages: runs.withStages(training, { train: "queued", score: null }),
  };
  expect(headline(queued).sentence).toBe("The run is about to train the model.");
  const over = { ...training, stages: runs.withStages(runs.finished, {}) };
  expect(headline(over).sentence).toBe("The run is busy outside this pipeline.");
});

it("tells that nothing was scored when training failed", () => {
  const stages = runs.noScoring.stages.concat({ ...runs.finished.stages[1]!, state: "failed" });
  const view = { ...runs.noScoring, is_scoring: true, state: "failed" as const, stages };
  expect(headline(view).sentence).toBe("Nothing was scored: training failed.");
});

it("trains those models again that failed, not all of a mapped task", () => {
  const where = [2, 5].map((map_index) => ({
    task_id: "train",
    map_index,
    try_number: 1,
    label: `device=${map_index}`,
  }));
  const failures = [{ ...runs.failed.failures[0]!, message: "no rows", tasks: 2, where }];
  const stage = {
    ...runs.finished.stages[1]!,
    state: "failed" as const,
    tasks: 8,
    by_state: { success: 6, failed: 2 },
  };
  const view = { ...runs.noScoring, is_scoring: true, state: "failed" as const, failures, stages: [stage] };
  expect(headline(view).actions[0]?.tasks).toEqual([2, 5].map((map_index) => ({ task_id: "train", map_index })));
  const many = { ...view, stages: [{ ...stage, by_state: { success: 1, failed: 7 } }] };
  expect(headline(many).actions[0]?.tasks).toEqual([{ task_id: "train", map_index: -1 }]);
});

it("is short when all is well, and mentions rows in quarantine", () => {
  expect(headline(runs.finished)).toMatchObject({
    sentence: "All 17 partitions are scored and published.",
    advice: null,
    actions: [],
  });
  const told = headline(runs.quarantined);
  expect(told.sentence).toBe(
    "All 17 partitions are scored and published. 15 rows could not be scored and are in quarantine.",
  );
  expect(told.actions.map(({ label }) => label)).toEqual(["Replay quarantine", "Train again"]);
  expect(told.actions[0]?.tasks).toEqual([3, 11].map((map_index) => ({ task_id: "score", map_index })));
  expect(told.advice).toMatch(/If the recipe or the model was wrong, change it and train again/);
});

it("scores what was left out of a run that succeeded, by the tasks of those partitions", () => {
  const leftOut = years((year) => (year === 2009 ? { state: "failed", task: { state: "success" } } : {}));
  const partitions = table(leftOut);
  const told = headline({ ...runs.finished, partitions, totals: totals(partitions) });
  expect(told.sentence).toBe("16 of 17 partitions are scored and published; year=2009 failed and was left out.");
  expect(told.actions).toMatchObject([{ label: "Go on", how: "go_on", tasks: [{ task_id: "score", map_index: 9 }] }]);
});
