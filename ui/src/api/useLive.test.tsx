import { act, renderHook } from "@testing-library/react";
import { beforeEach, expect, it, vi } from "vitest";

import { serve } from "../testing/serve";
import { pause, useLive } from "./useLive";

interface Answer {
  state: string;
}

const until = (over: string) => (data: Answer) => (data.state === over ? "never" : "soon");
const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

beforeEach(() => {
  vi.useFakeTimers();
});

it("asks every two seconds until it is over, and then no more", async () => {
  let state = "running";
  const requests = serve("", () => ({ status: 200, body: { state } }));
  const { result } = renderHook(() => useLive<Answer>("/x", until("success")));
  await pass(4_500);
  expect(requests).toHaveLength(3);
  state = "success";
  await pass(2_000);
  expect(result.current.data).toEqual({ state: "success" });
  await pass(60_000);
  expect(requests).toHaveLength(4);
});

it("asks every 30 seconds where little is expected, and soon again when something has changed", async () => {
  let state = "success";
  const requests = serve("", () => ({ status: 200, body: { state } }));
  renderHook(() => useLive<Answer>("/x", (data) => (data.state === "success" ? "seldom" : "soon")));
  await pass(29_000);
  expect(requests).toHaveLength(1);
  state = "queued";
  await pass(3_100);
  expect(requests).toHaveLength(3);
});

it("gives up an answer that does not come, keeps the last one, and asks again", async () => {
  let hangs = false;
  const answered = new Response(JSON.stringify({ state: "running" }));
  const fetched = vi.fn((_: string, { signal }: RequestInit) =>
    hangs
      ? new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted"))))
      : Promise.resolve(answered.clone()),
  );
  vi.stubGlobal("fetch", fetched);
  const { result } = renderHook(() => useLive<Answer>("/x", until("success")));
  await pass(100);
  hangs = true;
  await pass(33_000);
  expect(result.current).toMatchObject({ data: { state: "running" }, error: { status: 0 } });
  hangs = false;
  await pass(30_000);
  expect(result.current.error).toBeNull();
});

it("asks again on demand after it is over, and goes on if it has begun anew", async () => {
  let state = "failed";
  const requests = serve("", () => ({ status: 200, body: { state } }));
  const { result } = renderHook(() => useLive<Answer>("/x", until("failed")));
  await pass(0);
  state = "queued";
  result.current.refresh();
  await pass(2_100);
  expect(requests).toHaveLength(3);
});

it("keeps the last answer when a poll fails, and goes on", async () => {
  let status = 200;
  serve("", () => ({ status, body: status === 200 ? { state: "running" } : { detail: "the database is locked" } }));
  const { result } = renderHook(() => useLive<Answer>("/x", until("success")));
  await pass(0);
  status = 500;
  await pass(2_100);
  expect(result.current).toMatchObject({
    data: { state: "running" },
    error: { status: 500, message: "the database is locked" },
  });
  status = 200;
  await pass(5_000);
  expect(result.current.error).toBeNull();
});

it("does not repeat what was refused", async () => {
  const requests = serve("forbidden");
  const { result } = renderHook(() => useLive<Answer>("/x", until("success")));
  await pass(60_000);
  expect(result.current.error?.status).toBe(403);
  expect(requests).toHaveLength(1);
});

it("asks nothing while the page is hidden, and at once when it is seen again", async () => {
  const requests = serve("", () => ({ status: 200, body: { state: "running" } }));
  renderHook(() => useLive<Answer>("/x", until("success")));
  await pass(0);
  const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  await pass(30_000);
  expect(requests).toHaveLength(1);
  hidden.mockReturnValue(false);
  document.dispatchEvent(new Event("visibilitychange"));
  await pass(0);
  expect(requests).toHaveLength(2);
});

it("has one request under way at a time", async () => {
  let open = 0;
  let most = 0;
  vi.stubGlobal("fetch", async () => {
    open += 1;
    most = Math.max(most, open);
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    open -= 1;
    return new Response(JSON.stringify({ state: "running" }));
  });
  const { result } = renderHook(() => useLive<Answer>("/x", until("success")));
  for (let second = 0; second < 20; second += 1) {
    result.current.refresh();
    await pass(1_000);
  }
  expect(most).toBe(1);
});

it("forgets what another address answered", async () => {
  serve("", ({ url }) => ({ status: 200, body: { state: url } }));
  const { result, rerender } = renderHook(({ url }) => useLive<Answer>(url), { initialProps: { url: "/a" } });
  await pass(0);
  expect(result.current.data?.state).toBe("/a");
  rerender({ url: "/b" });
  expect(result.current.data).toBeNull();
  await pass(0);
  expect(result.current.data?.state).toBe("/b");
});

it("rests ten times as long as an answer took, longer after failures", () => {
  expect(pause(20, 0)).toBe(2_000);
  expect(pause(900, 0)).toBe(9_000);
  expect(pause(20, 2)).toBe(8_000);
  expect(pause(60_000, 4)).toBe(30_000);
});
