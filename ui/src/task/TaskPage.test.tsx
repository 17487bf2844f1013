import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";

import { failedTask, task } from "../fixtures/details";
import { serve, show } from "../testing/serve";
import { TaskPage } from "./TaskPage";

const page = <TaskPage dagId={task.dag_id} mapIndex={9} runId={task.run_id} taskId="score" />;

it("tells how far a scoring task is, and what it holds", async () => {
  const requests = serve("running");
  show(page);
  expect(
    await screen.findByText(
      "year=2009: 9 of 24 blocks scored, about 70 s (50 s to 2 min) left; 7 rows in quarantine so far.",
    ),
  ).toBeVisible();
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
