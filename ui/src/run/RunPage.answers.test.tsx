import { act, fireEvent, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";

import type { RunView } from "../api/types";
import { profiles, quarantine } from "../fixtures/details";
import { table, totals, years } from "../fixtures/partitions";
import { failed, finished, quarantined, running } from "../fixtures/runs";
import { serve, show } from "../testing/serve";
import { RunPage } from "./RunPage";

const page = <RunPage dagId={failed.dag_id} runId={failed.run_id} />;
const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

/** Serves a run that the test may replace; the sections of the page get their own answers. */
function serveRun(first: RunView, sections: Record<string, () => unknown> = {}) {
  const shown = { view: first };
  const requests = serve("", ({ url }) => {
    const section = /\/(profiles|quarantine)/.exec(url)?.[1];
    const special = section && sections[section];
    if (special) return { status: 200, body: special() };
    return url.endsWith("00%3A00") ? { status: 200, body: shown.view } : undefined;
  });
  const asked = (part: string) => requests.filter(({ url }) => url.includes(part)).length;
  return { shown, requests, asked };
}

/** A running run of which so many partitions are committed; all of them have rows in quarantine. */
function withCommitted(count: number): RunView {
  const partitions = table(
    years((year) => ({ state: year < 2000 + count ? "scored" : "running", quarantined: 2, blocks: [1, 2] })),
  );
  return { ...running, partitions, totals: totals(partitions) };
}

it("asks again while something is missing, also when the run is over, and then every 30 seconds", async () => {
  vi.useFakeTimers();
  const { shown, asked } = serveRun({ ...finished, incomplete: true });
  show(page);
  await pass(2_100);
  expect(asked("00%3A00")).toBeGreaterThan(1);
  expect(screen.getByText(/something is missing here/)).toBeVisible();
  shown.view = finished;
  await pass(2_100);
  expect(screen.queryByText(/something is missing here/)).toBeNull();
  const before = asked("");
  await pass(25_000);
  expect(asked("")).toBe(before);
  await pass(5_000);
  expect(asked("")).toBe(before + 1);
});

it("asks for distributions and quarantine again until they are complete", async () => {
  vi.useFakeTimers();
  let incomplete = true;
  const { asked } = serveRun(quarantined, {
    profiles: () => ({ ...profiles, columns: incomplete ? [] : profiles.columns, incomplete }),
    quarantine: () => ({ ...quarantine, incomplete }),
  });
  show(page);
  await pass(100); // the run's answer, and with it the sections
  await pass(3_000);
  expect([asked("/profiles"), asked("/quarantine")]).toEqual([2, 2]);
  expect(screen.getAllByText(/something is missing here/)).toHaveLength(2);
  incomplete = false;
  await pass(60_000);
  expect([asked("/profiles"), asked("/quarantine")]).toEqual([3, 3]);
});

it("reads distributions and quarantine again when twice as many partitions are committed", async () => {
  vi.useFakeTimers();
  const { shown, asked } = serveRun(withCommitted(0));
  show(page);
  await pass(100);
  expect(screen.getByText("These rows appear once their partition is committed.")).toBeVisible();
  expect([asked("/profiles"), asked("/quarantine")]).toEqual([0, 0]);
  for (const [count, times] of [
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [7, 3],
    [8, 4],
  ] as const) {
    shown.view = withCommitted(count);
    await pass(2_100);
    expect([asked("/profiles"), asked("/quarantine")]).toEqual([times, times]);
  }
  shown.view = { ...withCommitted(9), state: "success" };
  await pass(2_100);
  expect([asked("/profiles"), asked("/quarantine")]).toEqual([5, 5]);
});

it("compares one partition with training by its own answer, and keeps the column", async () => {
  const { requests } = serveRun(failed);
  show(page);
  await userEvent.click(await screen.findByRole("button", { name: /age_difference/ }));
  await userEvent.selectOptions(screen.getByRole("combobox", { name: "Compare training with" }), "year=2003");
  await screen.findByRole("img", { name: /values of age_difference: training beside year=2003/ });
  expect(requests.at(-1)?.url).toMatch(/\/profiles\?key=year%3D2003$/);
  expect(screen.getByText(/PSI\) of year=2003: below 0.1/)).toBeVisible();
});

it("tells the highest drift without a place that it does not know", async () => {
  const drift = { value: 0.4, column: null, partition: null };
  serveRun({ ...finished, incomplete: true, totals: { ...finished.totals, drift, drift_limit: null } });
  show(page);
  expect(await screen.findByText("0.4 (limit not read yet)")).toBeVisible();
});

it("says that it estimates while the time left is not known", async () => {
  serveRun({ ...running, totals: { ...running.totals, eta: null } });
  show(page);
  expect(await screen.findByText("estimating the time left…")).toBeVisible();
});

it("tells in which block a quarantined row is, and of how many rows the reasons are", async () => {
  serveRun(quarantined, { quarantine: () => ({ ...quarantine, rows: 53_000, looked_at: 10_000 }) });
  show(page);
  expect(await screen.findByText("block 3, row 77")).toBeVisible();
  expect(screen.getByText("Reasons of 10,000 of 53,000 rows.")).toBeVisible();
});

it("keeps the open partition when the next answer has it at another place", async () => {
  vi.useFakeTimers();
  const { shown } = serveRun(running);
  show(page);
  await pass(100);
  fireEvent.click(screen.getByRole("button", { name: "year=2009" }));
  const partitions = table(years().slice(3));
  partitions.tasks.forEach((task) => (task.map_index += 3));
  shown.view = { ...running, partitions, totals: totals(partitions) };
  await pass(2_100);
  expect(screen.getByRole("dialog", { name: "year=2009" })).toHaveTextContent("Task score [9]");
});

it("does not blame the data or memory for a task that never began", async () => {
  const failure = { ...failed.failures[0]!, kind: "NeverBegan", message: "Airflow failed the task." };
  serveRun({ ...failed, failures: [failure] });
  show(page);
  await userEvent.click(await screen.findByRole("button", { name: "Look at year=2009" }));
  expect(await screen.findByRole("dialog", { name: "year=2009" })).toHaveTextContent("Its task never began");
});
