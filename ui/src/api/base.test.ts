import { expect, it } from "vitest";

import { onServer, pages, routes } from "./base";

function servedUnder(path: string) {
  const base = document.createElement("base");
  base.href = `https://airflow.example${path}`;
  document.head.append(base);
}

it("asks at the root where there is no prefix", () => {
  expect(routes.models()).toBe("/batchscore/api/models");
});

it("puts the prefix of [api] base_url before every route, once", () => {
  servedUnder("/team/");
  expect(routes.models()).toBe("/team/batchscore/api/models");
  expect(onServer("/batchscore/report/a/b/c")).toBe("/team/batchscore/report/a/b/c");
  expect(onServer("/team/batchscore/report/a/b/c")).toBe("/team/batchscore/report/a/b/c");
});

it.each(["/dags/", "/plugin/", "/batchscore/"])("puts %s before pages and routes that begin as it does", (path) => {
  servedUnder(path);
  expect(onServer(pages.dag("d"))).toBe(`${path}dags/d`);
  expect(onServer("/plugin/batchscore")).toBe(`${path}plugin/batchscore`);
  expect(routes.models()).toBe(`${path}batchscore/api/models`);
  expect(onServer("/batchscore/report/a/b/c")).toBe(`${path}batchscore/report/a/b/c`);
  expect(onServer(`${path}batchscore/report/a/b/c`)).toBe(`${path}batchscore/report/a/b/c`);
});

it("escapes names of DAGs, runs and partitions", () => {
  expect(routes.run("a/b", "manual__2026-11-22T10:00:00+00:00")).toBe(
    "/batchscore/api/run/a%2Fb/manual__2026-11-22T10%3A00%3A00%2B00%3A00",
  );
  expect(routes.profiles("d", "r", "city=a&b")).toBe("/batchscore/api/run/d/r/profiles?key=city%3Da%26b");
  expect(pages.log("d", "r", "score", -1)).toBe("/dags/d/runs/r/tasks/score");
  expect(pages.log("d", "r", "score", 3)).toBe("/dags/d/runs/r/tasks/score/mapped/3");
});
