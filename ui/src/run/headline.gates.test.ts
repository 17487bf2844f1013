import { expect, it } from "vitest";

import { table, totals, years } from "../fixtures/partitions";
import * as runs from "../fixtures/runs";
import { headline } from "./headline";

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

it("gives all problems of a gate once, and what failed besides", () => {
  const [stored] = runs.gateFailed.failures;
  const checks = ["drift", "rows"].map((what) => ({ what, found: "1", allowed: "0", problem: `too much ${what}` }));
  const gate = { ...runs.gateFailed.gates[1]!, checks };
  const both = { ...stored!, message: "the scores did not pass, 2 problems:\n- too much drift\n- too much rows" };
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
