import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";

import { App } from "./App";
import { serve, show } from "./testing/serve";

it("shows the page of where Airflow has put it", async () => {
  serve("failed");
  show(<App dagId="d" runId="r" />).unmount();
  const { unmount } = show(<App dagId="d" runId="r" />);
  expect(await screen.findByText(/16 of 17 partitions/)).toBeVisible();
  unmount();
  const task = show(<App dagId="d" mapIndex="9" runId="r" taskId="score" />);
  expect(await screen.findByText("Slowest blocks")).toBeVisible();
  task.unmount();
  show(<App />);
  expect(await screen.findByRole("heading", { name: "Batch scoring" })).toBeVisible();
});

it("begins anew on the page of another task", async () => {
  serve("failed");
  const { rerender } = show(<App dagId="d" mapIndex="9" runId="r" taskId="score" />);
  await userEvent.click(await screen.findByRole("button", { name: "Go on" }));
  await userEvent.click(within(await screen.findByRole("alertdialog")).getByRole("button", { name: "Go on" }));
  await screen.findByText(/Airflow runs 3 tasks again/);
  rerender(<App dagId="d" mapIndex="8" runId="r" taskId="score" />);
  expect(screen.queryByText(/Airflow runs 3 tasks again/)).toBeNull();
});
