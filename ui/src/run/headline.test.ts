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

it("gives the verdict of the gate that failed, and first what fixes the data", () => {
  const told = headline(runs.gateFailed);
  expect(told.sentence).toBe(
    "All 17 partitions are scored, but the scores did not pass their check; nothing was published.",
  );
  expect(told.why).toEqual([expect.stringContaining("140 rows of year=2003 are in quarantine, 20 are allowed")]);
  expect(told.advice).toMatch(
    /^First fix the data of year=2003, then score and check again: .* only check again\. For the/,
  );
  const score = [{ task_id: "score", map_index: 3 }];
  expect(told.actions).toMatchObject([
    { label: "Score and check again", how: "go_on", tasks: score },
    { label: "Check again", how: "go_on", tasks: [{ task_id: "check_scores", map_index: -1 }] },
    { label: "Replay quarantine", how: "replay", tasks: score },
    { label: "Train again", how: "go_on", tasks: [{ task_id: "train", map_index: -1 }] },
  ]);
});

it("scores those partitions again whose drift is over the limit, and all where it cannot be told which", () => {
  const drifted = table(years((year) => ({ drift: year > 2014 ? 0.3 : 0.1 })));
  const view = { ...runs.gateFailed, partitions: drifted, totals: totals(drifted) };
  expect(headline(view).advice).toMatch(/^First fix the data of year=2015 and year=2016, then score and check again/);
  expect(headline(view).actions.map(({ label }) => label)).toEqual(["Score and check again", "Check again"]);
  expect(headline(view).actions[0]?.tasks).toEqual([15, 16].map((map_index) => ({ task_id: "score", map_index })));
  const unlimited = { ...view, totals: totals(drifted, { drift_limit: null }) };
  expect(headline(unlimited).advice).toMatch(/^First fix the data, then/);
  expect(headline(unlimited).actions[0]?.tasks).toEqual([{ task_id: "score", map_index: -1 }]);
});

it("only checks again where the check itself broke", () => {
  const gates = runs.gateFailed.gates.map((gate) => ({ ...gate, checks: [] }));
  expect(headline({ ...runs.gateFailed, gates }).actions.map(({ label }) => label)).toEqual(["Check again"]);
});

it("trains again where the model did not pass, if the run trains one", () => {
  const check = {
    what: "accuracy",
    found: "0.5",
    allowed: ">= 0.6",
    problem: "accuracy is 0.5, at least 0.6 is wanted",
  };
  const view = {
    ...runs.noScoring,
    is_scoring: true,
    state: "failed" as const,
    stages: runs.withStages(runs.finished, { check_model: "failed", plan: "upstream_failed" }),
    gates: [{ ...runs.finished.gates[0]!, state: "failed" as const, checks: [check] }],
  };
  const told = headline(view);
  expect(told.sentence).toBe("Nothing was scored: the model did not pass its check.");
  expect(told.advice).toMatch(/^First fix the data or the recipe, then train again\. If you change the limits/);
  expect(told.actions).toMatchObject([
    { label: "Train again", tasks: [{ task_id: "train", map_index: -1 }] },
    { label: "Check again", tasks: [{ task_id: "check_model", map_index: -1 }] },
  ]);
  const elsewhere = headline({ ...view, stages: view.stages.filter(({ kind }) => kind !== "train") });
  expect(elsewhere.advice).toMatch(/^This run trains no model/);
  expect(elsewhere.actions.map(({ label }) => label)).toEqual(["Check again"]);
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

it("gives all problems of a gate once, and what failed besides", () => {
  const [stored] = runs.gateFailed.failures;
  const checks = ["drift", "rows"].map((what) => ({ what, found: "1", allowed: "0", problem: `too much ${what}` }));
  const gate = { ...runs.gateFailed.gates[1]!, checks };
  const both = { ...stored!, message: "not published, 2 problems:\n- too much drift\n- too much rows" };
  const other = { ...stored!, message: "no space left" };
  const told = headline({ ...runs.gateFailed, gates: [gate], failures: [both, other] });
  expect(told.why).toEqual(["too much drift", "too much rows", "no space left"]);
});

it("offers no replay where Airflow is too old to pass it on, and says how to do it", () => {
  const may = { rerun: true, ask: false };
  const told = headline({ ...runs.quarantined, may });
  expect(told.actions.map(({ how }) => how)).not.toContain("replay");
  expect(told.advice).toContain("fix it and clear the scoring task");
  expect(headline({ ...runs.gateFailed, may }).actions.map(({ label }) => label)).toContain("Score and check again");
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
