import { screen } from "@testing-library/react";
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
