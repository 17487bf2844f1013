import { act, fireEvent, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";

import type { RunView } from "../api/types";
import { table, totals, years } from "../fixtures/partitions";
import { again, failed, finished, gateFailed, running, twoStages, withStages } from "../fixtures/runs";
import { serve, show } from "../testing/serve";
import { shares } from "./ProgressSection";
import { RunPage } from "./RunPage";

const page = <RunPage dagId={failed.dag_id} runId={failed.run_id} />;
const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

/** Serves a run that the test may replace. */
function serveRun(first: RunView) {
  const shown = { view: first };
  const requests = serve("", ({ url }) => (url.endsWith("00%3A00") ? { status: 200, body: shown.view } : undefined));
  return { shown, requests };
}

it("shows what the run published before while it scores again, and how to read it", async () => {
  const aces = { ...finished.outputs[0]!, uri: "s3://tennis/scores/aces", table_version: "7" };
  serveRun({ ...again, outputs: [...again.outputs, aces] });
  show(page);
  const before = await screen.findByRole("group", { name: "Published to s3://tennis/scores/wta" });
  expect(before).toHaveTextContent("What this run published before is still there");
  expect(within(before).getByRole("link", { name: "Download the report" })).toBeVisible();
  expect(before).toHaveTextContent('pd.read_parquet("s3://tennis/scores/wta")');
  expect(before).not.toHaveTextContent("Version of the table");
  const lake = screen.getByRole("group", { name: "Published to s3://tennis/scores/aces" });
  expect(lake).toHaveTextContent("Published by this run");
  expect(lake).toHaveTextContent("Version of the table7");
  expect(screen.queryByText(/can be read yet/)).toBeNull();
});

it("scores the partitions again whose scores did not pass, without force, and checks them", async () => {
  const { requests } = serveRun(gateFailed);
  show(page);
  await userEvent.click(await screen.findByRole("button", { name: "Score and check again" }));
  const dialog = await screen.findByRole("alertdialog");
  expect(dialog).toHaveTextContent("Airflow clears 1 task (score) and what comes after it");
  await userEvent.click(within(dialog).getByRole("button", { name: "Score and check again" }));
  await screen.findByText(/Airflow runs 3 tasks again/);
  const changes = requests.filter(({ method }) => method !== "GET");
  expect(changes).toMatchObject([{ method: "POST", body: { task_ids: [["score", 3]], include_downstream: true } }]);
});

it("says what can help rows in quarantine, and what cannot", async () => {
  serve("quarantined");
  show(page);
  expect(await screen.findByRole("button", { name: "Train again" })).toBeVisible();
  const section = screen.getByRole("region", { name: "Quarantine: 15 rows could not be scored" });
  expect(section).toHaveTextContent("both are part of the model's version");
});

it("takes back what it said when one of the tasks has ended anew, and leaves the focus there", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  const { shown } = serveRun(failed);
  show(page);
  fireEvent.click(await screen.findByRole("button", { name: "Go on" }));
  const dialog = await screen.findByRole("alertdialog");
  shown.view = { ...running, stages: withStages(running, {}).map((stage) => ({ ...stage, ended: null })) };
  fireEvent.click(within(dialog).getByRole("button", { name: "Go on" }));
  const said = await screen.findByText(/Airflow runs 3 tasks again/);
  const place = said.closest("[role=status]");
  await waitFor(() => expect(screen.getByRole("button", { name: "Dismiss" })).toHaveFocus());
  await pass(5_000);
  expect(said).toBeVisible();
  shown.view = finished;
  await pass(5_000);
  expect(screen.queryByText(/Airflow runs 3 tasks again/)).toBeNull();
  expect(place).toHaveFocus();
});

it("takes back what it said after half a minute", async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  serveRun(failed);
  show(page);
  fireEvent.click(await screen.findByRole("button", { name: "Go on" }));
  fireEvent.click(within(await screen.findByRole("alertdialog")).getByRole("button", { name: "Go on" }));
  await screen.findByText(/Airflow runs 3 tasks again/);
  await pass(30_000);
  expect(screen.queryByText(/Airflow runs 3 tasks again/)).toBeNull();
});

it("tells how long steps worked, and nothing of those that have not begun", async () => {
  const [, train, , , score, check] = running.stages;
  const stages = [
    { ...train!, seconds: 75 },
    { ...score!, by_state: { success: 2, none: 1 }, seconds: 130 },
    { ...check!, state: "queued" as const, by_state: { queued: 1 }, seconds: 9 },
  ];
  serveRun({ ...running, stages });
  show(page);
  const [first, second, third] = within(await screen.findByRole("list", { name: "Steps of the run" })).getAllByRole(
    "listitem",
  );
  expect(first).toHaveTextContent(/success1 min 15 s$/);
  expect(second).toHaveTextContent(/2 min 10 s2 success, 1 not yet$/);
  expect(third).toHaveTextContent(/queued$/);
});

it("says of a gate that somebody marked it as a success", async () => {
  const gates = gateFailed.gates.map((gate) => ({ ...gate, state: "success" as const }));
  serveRun({ ...gateFailed, state: "success", gates });
  show(page);
  expect(await screen.findAllByText("Somebody marked it as a success although it did not pass.")).toHaveLength(1);
});

it("tells equal keys apart where several stages score", async () => {
  serveRun(twoStages);
  show(page);
  const partitions = await screen.findByRole("table", { name: "Partitions" });
  expect(within(partitions).getByRole("columnheader", { name: "Task" })).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Look at score_aces: year=2010" }));
  expect(await screen.findByRole("dialog", { name: "score_aces: year=2010" })).toBeVisible();
});

it("shows keys as people write them, and asks for them as they are", async () => {
  const requests = serve("shops");
  show(page);
  const choice = await screen.findByRole("combobox", { name: "Compare training with" });
  await userEvent.selectOptions(choice, "store=München Süd");
  await screen.findByText(/PSI\) of store=München Süd: below/);
  expect(requests.at(-1)?.url).toMatch(/key=store%3DM%25C3%25BCnchen\+S%25C3%25BCd$/);
  expect(document.body).not.toHaveTextContent("%C3");
});

it("says that no limit of the drift is set, where none is", async () => {
  serveRun({ ...finished, totals: { ...finished.totals, drift: null, drift_limit: null } });
  show(page);
  expect(await screen.findByText("no limit set")).toBeVisible();
});

it("measures what failed and what is scored alike, by bytes", () => {
  const partitions = table(years((year) => (year === 2009 ? { state: "failed", rows: 100_000 } : {})));
  const view = { ...failed, partitions, totals: totals(partitions) };
  const { scored, failed: lost } = shares(view);
  expect(scored + lost).toBeCloseTo(1);
  expect(lost).toBeGreaterThan(0.6);
});
