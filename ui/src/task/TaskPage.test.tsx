import { act, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";

import { failedTask, otherTask, task } from "../fixtures/details";
import { serve, show } from "../testing/serve";
import { tellTask } from "./TaskHeadline";
import { TaskPage } from "./TaskPage";

const page = <TaskPage dagId={task.dag_id} mapIndex={9} runId={task.run_id} taskId="score" />;

it("tells how far a scoring task is, and what it holds", async () => {
  const requests = serve("running");
  show(page);
  expect(await screen.findByText("year=2009: 9 of 24 blocks scored; 7 rows in quarantine so far.")).toBeVisible();
  expect(screen.getByText("about 70 s (50 s to 2 min) left")).toBeVisible();
  expect(screen.getByText("812 MB")).toBeVisible();
  expect(within(screen.getByRole("table", { name: "Slowest blocks" })).getAllByRole("row")).toHaveLength(3);
  expect(requests[0]?.url).toMatch(/\/batchscore\/api\/task\/wta_batch_scoring\/.*\/score\?map_index=9$/);
});

it("tells why it failed, and goes on", async () => {
  const requests = serve("failed");
  show(page);
  expect(await screen.findByText(failedTask.failure!.message)).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Go on" }));
  const dialog = await screen.findByRole("alertdialog");
  await userEvent.click(within(dialog).getByRole("button", { name: "Go on" }));
  await screen.findByText(/Airflow runs 3 tasks again/);
  expect(requests.find(({ method }) => method === "POST")?.body).toMatchObject({ task_ids: [["score", 9]] });
});

it("says on other tasks that there is nothing to show", async () => {
  serve("empty");
  show(page);
  expect(await screen.findByText("Nothing to show: this task does not score.")).toBeVisible();
});

it("does not ask again about a task of another package", async () => {
  vi.useFakeTimers();
  const requests = serve("", () => ({ status: 200, body: { ...otherTask, state: "running" } }));
  show(page);
  await act(() => vi.advanceTimersByTimeAsync(60_000));
  expect(requests).toHaveLength(1);
});

it("asks again while something is missing, also when the task is over", async () => {
  vi.useFakeTimers();
  let incomplete = true;
  const requests = serve("", () => ({ status: 200, body: { ...task, state: "success", incomplete } }));
  show(page);
  await act(() => vi.advanceTimersByTimeAsync(1_000));
  expect(screen.getByText(/something is missing here/)).toBeVisible();
  incomplete = false;
  await act(() => vi.advanceTimersByTimeAsync(25_000));
  expect(requests).toHaveLength(2);
  expect(screen.queryByText(/something is missing here/)).toBeNull();
});

it("says that it estimates while a running task's time left is not known", async () => {
  serve("", () => ({ status: 200, body: { ...task, totals: { ...task.totals, eta: null } } }));
  show(page);
  expect(await screen.findByText("estimating the time left…")).toBeVisible();
});

it("says of a killed task whether Airflow tries again, whatever it did", () => {
  const killed = { ...failedTask, label: "train", failure: { ...failedTask.failure!, how: "killed" as const } };
  expect(tellTask(killed)).toBe("train was killed.");
  expect(tellTask({ ...killed, state: "up_for_retry" })).toBe("train was killed; Airflow tries again.");
});
