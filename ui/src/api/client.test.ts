import { beforeEach, expect, it, vi } from "vitest";

import { getJson, sendJson } from "./client";

beforeEach(() => {
  vi.useFakeTimers();
  const never = (_url: string, { signal }: RequestInit) =>
    new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError"))));
  vi.stubGlobal("fetch", never);
});

it("gives up a question after 30 seconds, and a change after two minutes", async () => {
  const asked = expect(getJson("/x")).rejects.toMatchObject({
    status: 0,
    message: "The server has not answered for 30 seconds.",
  });
  const sent = expect(sendJson("POST", "/x", {})).rejects.toThrow(/not answered for 2 minutes\. It may still do/);
  await vi.advanceTimersByTimeAsync(30_000);
  await asked;
  await vi.advanceTimersByTimeAsync(90_000);
  await sent;
});

it("does not take it for a failure of the server when the page is left", async () => {
  const abort = new AbortController();
  const asked = expect(getJson("/x", abort.signal)).rejects.toMatchObject({ name: "AbortError" });
  abort.abort();
  await asked;
});
