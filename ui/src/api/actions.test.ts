import { expect, it } from "vitest";

import { serve } from "../testing/serve";
import { rerun } from "./actions";

const tasks = [...Array(25).keys()].map((map_index) => ({ task_id: "score", map_index }));
const at = (url: string) => Number(new URL(url, "http://x").searchParams.get("map_index"));

it("withdraws its requests when the tasks cannot be cleared, or the next run would follow them", async () => {
  const requests = serve("failed", ({ method }) =>
    method === "POST" ? { status: 500, body: { detail: "the database is locked" } } : undefined,
  );
  await expect(rerun("d", "r", tasks, "force")).rejects.toThrow(/^the database is locked$/);
  const sent = (method: string) => requests.filter((one) => one.method === method).map(({ url }) => at(url));
  expect(sent("PUT")).toEqual(tasks.map(({ map_index }) => map_index));
  expect(sent("DELETE").sort((a, b) => a - b)).toEqual(sent("PUT"));
});

it("withdraws those that were stored when one is refused, and clears nothing", async () => {
  const requests = serve("failed", ({ method, url }) =>
    method === "PUT" && at(url) === 12 ? { status: 403, body: { detail: "Forbidden" } } : undefined,
  );
  await expect(rerun("d", "r", tasks, "replay")).rejects.toMatchObject({ status: 403, message: "Forbidden" });
  expect(requests.filter(({ method }) => method === "POST")).toEqual([]);
  const withdrawn = requests.filter(({ method }) => method === "DELETE").map(({ url }) => at(url));
  expect(withdrawn.sort((a, b) => a - b)).toEqual([...Array(20).keys()].filter((index) => index !== 12));
});

it("says that a request is still stored when it cannot be withdrawn", async () => {
  serve("failed", ({ method }) =>
    method === "POST" || method === "DELETE" ? { status: 500, body: { detail: "locked" } } : undefined,
  );
  await expect(rerun("d", "r", tasks, "force")).rejects.toThrow(/^locked \(The request is still stored/);
});

it("sends ten requests at once", async () => {
  let open = 0;
  let most = 0;
  serve("failed", async ({ method }) => {
    if (method !== "PUT") return undefined;
    most = Math.max(most, (open += 1));
    await new Promise((resolve) => setTimeout(resolve, 5));
    open -= 1;
    return { status: 204, body: null };
  });
  await rerun("d", "r", tasks, "force");
  expect(most).toBe(10);
});
