import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";

import { failed, running } from "../fixtures/runs";
import { type Request, serve, show } from "../testing/serve";
import { RunPage } from "./RunPage";

const page = <RunPage dagId={failed.dag_id} runId={failed.run_id} />;
const changes = (requests: Request[]) => requests.filter(({ method }) => method !== "GET");
const CLEAR = "/api/v2/dags/wta_batch_scoring/clearTaskInstances";

it("lets a newcomer understand and fix a run that failed on one partition", async () => {
  const requests = serve("failed");
  show(page);
  await screen.findByText("16 of 17 partitions are scored, year=2009 failed; nothing was published.");
  expect(screen.getByText(/row 1,204 of s3:\/\/tennis\/wta_matches_2009.csv has 52 fields/)).toBeVisible();

  await userEvent.click(screen.getByRole("button", { name: "Go on" }));
  const dialog = await screen.findByRole("alertdialog");
  expect(dialog).toHaveTextContent(
    "Airflow clears 1 task (score) and what comes after it, and runs all of that again in this run.",
  );
  expect(changes(requests)).toEqual([]);
  await userEvent.click(within(dialog).getByRole("button", { name: "Go on" }));
  const said = await screen.findByText("Airflow runs 3 tasks again: score, check_scores, combine.");
  expect(said.closest("[role=status]")).toBeVisible();
  await waitFor(() => expect(screen.queryByRole("alertdialog")).toBeNull());
  expect(changes(requests)).toEqual([
    {
      method: "POST",
      url: CLEAR,
      body: {
        dry_run: false,
        dag_run_id: failed.run_id,
        task_ids: [["score", 9]],
        only_failed: false,
        include_downstream: true,
      },
    },
  ]);
});

it("keeps saying what was done when the button is gone, until it is dismissed", async () => {
  let cleared = false;
  serve("failed", ({ method, url }) => {
    cleared ||= method === "POST";
    return cleared && url.endsWith("00%3A00") ? { status: 200, body: running } : undefined;
  });
  show(page);
  await userEvent.click(await screen.findByRole("button", { name: "Go on" }));
  const dialog = await screen.findByRole("alertdialog");
  await userEvent.click(within(dialog).getByRole("button", { name: "Go on" }));
  await screen.findByText("8 of 17 partitions are scored.");
  expect(screen.getByText("about 3 min (2 to 5) left")).toBeVisible();
  expect(screen.queryByRole("button", { name: "Go on" })).toBeNull();
  expect(screen.getByText(/Airflow runs 3 tasks again/)).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Dismiss" }));
  expect(screen.queryByText(/Airflow runs 3 tasks again/)).toBeNull();
});

it("scores a partition again from its panel: the wish first, then the clearing", async () => {
  const requests = serve("failed");
  show(page);
  await userEvent.click(await screen.findByRole("button", { name: "year=2003" }));
  const panel = await screen.findByRole("dialog", { name: "year=2003" });
  await userEvent.click(within(panel).getByRole("button", { name: "Score again" }));
  const dialog = await screen.findByRole("alertdialog");
  expect(dialog).toHaveTextContent("Score year=2003 again from the start?");
  await userEvent.click(within(dialog).getByRole("button", { name: "Score again" }));
  await screen.findByText(/Airflow runs 3 tasks again/);
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  const [put, clear] = changes(requests);
  expect(put?.url).toBe(
    "/api/v2/dags/wta_batch_scoring/dagRuns/manual__2026-11-22T10%3A00%3A00%2B00%3A00/taskInstances/score/state-store/batchscore_force?map_index=3",
  );
  expect(put?.body).toEqual({ value: expect.stringMatching(/^\d{4}-.*Z by ann$/) as string });
  expect(clear).toMatchObject({ url: CLEAR, body: { task_ids: [["score", 3]] } });
});

it("replays the quarantine of the partitions that have one", async () => {
  const requests = serve("quarantined");
  show(page);
  await userEvent.click(await screen.findByRole("button", { name: "Replay quarantine" }));
  const dialog = await screen.findByRole("alertdialog");
  await userEvent.click(within(dialog).getByRole("button", { name: "Replay quarantine" }));
  await screen.findByText(/Airflow runs/);
  expect(changes(requests).map(({ url }) => url.replace(/.*state-store/, ""))).toEqual([
    "/batchscore_replay?map_index=3",
    "/batchscore_replay?map_index=11",
    CLEAR,
  ]);
});

it("tells in the dialog why something could not be done", async () => {
  serve("failed", ({ method }) => (method === "POST" ? { status: 403, body: { detail: "Forbidden" } } : undefined));
  show(page);
  await userEvent.click(await screen.findByRole("button", { name: "Go on" }));
  const dialog = await screen.findByRole("alertdialog");
  await userEvent.click(within(dialog).getByRole("button", { name: "Go on" }));
  expect(await within(dialog).findByText(/You may not do this: Forbidden/)).toBeVisible();
});

it("does not let a dialog be closed before it knows whether it worked", async () => {
  let fail: () => void = () => undefined;
  const failing = new Promise<void>((resolve) => (fail = resolve));
  serve("failed", async ({ method }) => {
    if (method !== "POST") return undefined;
    await failing;
    return { status: 500, body: { detail: "the database is locked" } };
  });
  show(page);
  await userEvent.click(await screen.findByRole("button", { name: "Go on" }));
  const dialog = await screen.findByRole("alertdialog");
  await userEvent.click(within(dialog).getByRole("button", { name: "Go on" }));
  expect(within(dialog).getByRole("button", { name: "Cancel" })).toBeDisabled();
  await userEvent.keyboard("{Escape}");
  fail();
  expect(await within(dialog).findByText("It did not work: the database is locked")).toBeVisible();
  await userEvent.click(within(dialog).getByRole("button", { name: "Close" }));
  await waitFor(() => expect(screen.queryByRole("alertdialog")).toBeNull());
});

it("shows no button to who may only read", async () => {
  serve("failed", ({ url }) =>
    url.endsWith("00%3A00") ? { status: 200, body: { ...failed, may: { rerun: false, ask: false } } } : undefined,
  );
  show(page);
  await screen.findByText(/ask somebody who may clear tasks of this DAG/);
  expect(screen.queryByRole("button", { name: "Go on" })).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Look at year=2009" }));
  const panel = await screen.findByRole("dialog", { name: "year=2009" });
  expect(panel).toHaveTextContent("Your role does not allow you to clear tasks");
  expect(within(panel).queryByRole("button", { name: "Score again" })).toBeNull();
});

it("goes on, and offers nothing more, where Airflow is too old to pass it on", async () => {
  const may = { rerun: true, ask: false };
  serve("failed", ({ url }) => (url.endsWith("00%3A00") ? { status: 200, body: { ...failed, may } } : undefined));
  show(page);
  await userEvent.click(await screen.findByRole("button", { name: "Look at year=2009" }));
  const panel = await screen.findByRole("dialog", { name: "year=2009" });
  expect(within(panel).getByRole("button", { name: "Go on" })).toBeVisible();
  expect(within(panel).queryByRole("button", { name: "Score again" })).toBeNull();
});

it("filters, sorts and pages through ten thousand partitions", async () => {
  serve("packs");
  show(page);
  const table = await screen.findByRole("table", { name: "Partitions" });
  expect(within(table).getAllByRole("row")).toHaveLength(26);
  expect(screen.getByText("10,000 partitions, page 1 of 400")).toBeVisible();
  fireEvent.change(screen.getByRole("searchbox", { name: "Find partitions" }), { target: { value: "device=099" } });
  expect(screen.getByText("100 partitions, page 1 of 4")).toBeVisible();
  await userEvent.click(within(table).getByRole("button", { name: "Partition" }));
  await userEvent.click(screen.getByRole("button", { name: "Next" }));
  expect(within(table).getByRole("button", { name: "device=099, day=25" })).toBeVisible();
});

it("moves over the grid by keys, says each cell, and opens one", async () => {
  serve("failed");
  show(page);
  const grid = await screen.findByRole("button", { name: /Grid of 17 partitions/ });
  await userEvent.click(grid);
  await userEvent.click(await screen.findByRole("button", { name: "Close" }));
  vi.spyOn(grid, "matches").mockReturnValue(false); // as after a click: not :focus-visible
  grid.focus();
  await userEvent.keyboard("{End}");
  expect(screen.getByText("year=2016: scored, 2,942 rows")).toBeVisible();
  await userEvent.keyboard("{ArrowLeft}");
  expect(screen.getByText("year=2015: scored, 2,889 rows")).toBeVisible();
  await userEvent.keyboard("{ArrowRight}");
  await userEvent.keyboard("{Enter}");
  expect(await screen.findByRole("dialog", { name: "year=2016" })).toBeVisible();
});

it("says on other DAGs that there is nothing to show, and what the plugin is", async () => {
  serve("empty");
  show(page);
  expect(await screen.findByText("Nothing to show: this DAG has no batch scoring tasks.")).toBeVisible();
  expect(screen.getByRole("link", { name: "airflow-batchscore" })).toHaveAttribute("href");
});

it("tells who may not see the run", async () => {
  serve("forbidden");
  show(page);
  expect(await screen.findByText("You may not see this")).toBeVisible();
});

it("tells of an error of the server, and tries again", async () => {
  let broken = true;
  serve("failed", () => (broken ? { status: 500, body: { detail: "the database is locked" } } : undefined));
  show(page);
  expect(await screen.findByText("the database is locked")).toBeVisible();
  broken = false;
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByText(/16 of 17 partitions/)).toBeVisible();
});

it("shows text from data as text", async () => {
  serve("quarantined");
  show(page);
  expect(await screen.findByText("winner_name=<script>alert(1)</script>")).toBeVisible();
});

it("offers the report and lines that read what is published", async () => {
  serve("finished");
  show(page);
  expect(await screen.findByRole("link", { name: "Download the report" })).toHaveAttribute(
    "href",
    "/batchscore/report/wta_batch_scoring/manual__2026-11-22T10%3A00%3A00%2B00%3A00/combine",
  );
  await userEvent.setup().click(screen.getByRole("button", { name: "Copy: how to read the scores with pandas" }));
  expect(await navigator.clipboard.readText()).toBe('pd.read_parquet("s3://tennis/scores/wta")');
});
