import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";

import { models } from "../fixtures/lists";
import { serve, show } from "../testing/serve";
import { NavPage } from "./NavPage";
import { compare } from "./compare";

it("keeps filters and page in the address, and asks for what it says", async () => {
  const requests = serve("runs");
  show(<NavPage />);
  await screen.findByRole("table", { name: "Scoring runs" });
  await userEvent.selectOptions(screen.getByRole("combobox", { name: "State" }), "failed");
  await screen.findByRole("table", { name: "Scoring runs" });
  await userEvent.click(screen.getByRole("button", { name: "Next" }));
  expect(screen.getByLabelText("address")).toHaveTextContent("?state=failed&page=2");
  expect(requests.at(-1)?.url).toBe("/batchscore/api/runs?state=failed&page=2");
  await screen.findByRole("table", { name: "Scoring runs" });
  await userEvent.selectOptions(screen.getByRole("combobox", { name: "DAG" }), "purchase_likelihood");
  expect(screen.getByLabelText("address")).toHaveTextContent("?state=failed&dag_id=purchase_likelihood");
});

it("opens what a shared address names", async () => {
  const requests = serve("runs");
  show(<NavPage />, "/plugin/batchscore?dag_id=wta_batch_scoring&state=running");
  const table = await screen.findByRole("table", { name: "Scoring runs" });
  expect(requests[0]?.url).toBe("/batchscore/api/runs?dag_id=wta_batch_scoring&state=running");
  expect(within(table).getAllByRole("link", { name: "wta_batch_scoring" })[0]).toHaveAttribute(
    "href",
    expect.stringMatching("^/dags/wta_batch_scoring/runs/scheduled__.*/plugin/batchscore-run$"),
  );
});

it("says that there is no run yet", async () => {
  serve("empty");
  show(<NavPage />);
  expect(await screen.findByText("No scoring run yet.")).toBeVisible();
});

it("promotes a version after saying what it does", async () => {
  const requests = serve("runs");
  show(<NavPage />, "/?tab=models");
  const [newest] = await screen.findAllByRole("button", { name: "Promote to @champion" });
  await userEvent.click(newest!);
  const dialog = await screen.findByRole("alertdialog");
  expect(dialog).toHaveTextContent(
    "@champion of s3://tennis/models/wta names version 20261121T095800Z. From now on it names 20261122T095800Z.",
  );
  await userEvent.click(within(dialog).getByRole("button", { name: "Promote to @champion" }));
  await screen.findByText("@champion names version 20261122T095800Z now.");
  expect(requests.find(({ method }) => method === "POST")).toMatchObject({
    url: "/batchscore/api/promote",
    body: {
      dag_id: "wta_batch_scoring",
      model_uri: "s3://tennis/models/wta",
      conn_id: null,
      alias: "champion",
      version: "20261122T095800Z",
    },
  });
});

it("rolls back to the version before", async () => {
  serve("runs");
  show(<NavPage />, "/?tab=models");
  await userEvent.click(await screen.findByRole("button", { name: "Roll back to 20261120T095800Z" }));
  const dialog = await screen.findByRole("alertdialog");
  expect(dialog).toHaveTextContent("Roll @champion back to version 20261120T095800Z?");
  expect(dialog).toHaveTextContent("A DAG that trains and promotes by itself may move the alias again.");
});

it("tells models of one URI apart by their connections", async () => {
  const [first] = models.models;
  const moves = [{ version: "20261119T095800Z", when: "2026-11-20T11:00:00+00:00", by: "" }];
  const aliases = [{ alias: "champion", version: "20261120T095800Z", moves }];
  const body = { models: [first, { ...first, conn_id: "minio", aliases }], problem: null };
  const requests = serve("runs", ({ url }) => (url.endsWith("/models") ? { status: 200, body } : undefined));
  show(<NavPage />, "/?tab=models");
  const choice = await screen.findByRole("combobox", { name: "Model" });
  await userEvent.selectOptions(choice, "s3://tennis/models/wta (connection minio)");
  expect(screen.getByLabelText("address")).toHaveTextContent(
    "?tab=models&model=s3%3A%2F%2Ftennis%2Fmodels%2Fwta&conn=minio",
  );
  expect(screen.getByText(/to 20261119T095800Z by a run of another DAG$/)).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Roll back to 20261119T095800Z" }));
  const dialog = await screen.findByRole("alertdialog");
  await userEvent.click(within(dialog).getByRole("button", { name: "Roll back to 20261119T095800Z" }));
  await screen.findByText("@champion names version 20261119T095800Z now.");
  expect(requests.find(({ method }) => method === "POST")?.body).toMatchObject({ conn_id: "minio" });
});

it("says why a model cannot be read", async () => {
  serve("runs");
  show(<NavPage />, "/?tab=models&model=s3%3A%2F%2Fshop%2Fmodels%2Flikelihood");
  expect(await screen.findByText(/no such bucket: shop/)).toBeVisible();
});

it("warns of what it could not read, and shows the rest of the model", async () => {
  const problem = "Version 3 cannot be read.";
  const body = { models: [{ ...models.models[0], problem }], problem: null };
  serve("runs", ({ url }) => (url.endsWith("/models") ? { status: 200, body } : undefined));
  show(<NavPage />, "/?tab=models");
  expect(await screen.findByText(problem)).toBeVisible();
  expect(screen.getByRole("button", { name: "Roll back to 20261120T095800Z" })).toBeVisible();
  expect(screen.getByRole("table", { name: "Versions" })).toBeVisible();
});

it("compares the two newest versions, and others on demand", async () => {
  serve("runs");
  show(<NavPage />, "/?tab=models");
  await screen.findByRole("table", { name: "20261121T095800Z and 20261122T095800Z" });
  await userEvent.click(screen.getByRole("checkbox", { name: "Compare 20261120T095800Z" }));
  expect(screen.getByRole("table", { name: "20261120T095800Z and 20261121T095800Z" })).toBeVisible();
});

it("lists what differs between two versions", () => {
  const [newer, older] = models.models[0]!.versions;
  const lines = compare(older!, newer!);
  expect(lines[0]).toEqual({ what: "accuracy", left: "0.65", right: "0.66", difference: "+0.01" });
  expect(lines.find((line) => line.what === "parameter: max_iter")).toMatchObject({ left: "100", right: "200" });
});

it("tells which partitions are scored with the newest version", async () => {
  serve("runs");
  show(<NavPage />, "/?tab=datasets");
  expect(
    await screen.findByText(
      "17 partitions: 11 scored with the newest version, 5 scored with another version, 1 not scored",
    ),
  ).toBeVisible();
  await userEvent.selectOptions(screen.getByRole("combobox", { name: "Show" }), "missing");
  const table = screen.getByRole("table", { name: "Partitions and runs" });
  expect(within(table).getAllByRole("row")).toHaveLength(2);
  expect(table).toHaveTextContent("year=2016not scored no run has scored it");
});
