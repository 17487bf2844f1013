import { expect, it } from "vitest";

import { bytes, distinct, duration, eta, list, readable, time, timeZone } from "./format";

it("says durations as people do", () => {
  expect([0.84, 12.4, 200, 3600, 7500].map(duration)).toEqual(["0.8 s", "12 s", "3 min 20 s", "1 h", "2 h 5 min"]);
  expect(duration(null)).toBe("–");
});

it("rounds an estimate to what it knows, with its spread", () => {
  expect(eta({ seconds: 185, low: 130, high: 290 })).toBe("about 3 min (2 to 5)");
  expect(eta({ seconds: 70, low: 50, high: 95 })).toBe("about 70 s (50 s to 2 min)");
  expect(eta({ seconds: 600, low: 590, high: 610 })).toBe("about 10 min");
});

it("uses Airflow's time zone, and the browser's where the choice is unusable", () => {
  localStorage.setItem("timezone", JSON.stringify("Asia/Tokyo"));
  expect(timeZone()).toBe("Asia/Tokyo");
  expect(time("2026-11-22T10:00:20+00:00")).toMatch(/19:00:20|7:00:20/);
  localStorage.setItem("timezone", "not JSON");
  expect(timeZone()).toBeUndefined();
  localStorage.setItem("timezone", JSON.stringify("Mars/Olympus"));
  expect(timeZone()).toBeUndefined();
});

it("tells moments of one day apart by their times", () => {
  const [first, second, later] = ["2026-11-22T10:00:20Z", "2026-11-22T11:00:20Z", "2026-11-23T10:00:20Z"] as const;
  expect(distinct([first, second])(first)).toMatch(/:00/);
  expect(distinct([first, later])(first)).not.toMatch(/:00/);
});

it("decodes keys of partitions, as far as they are encoded", () => {
  expect(readable("store=M%C3%BCnchen S%C3%BCd")).toBe("store=München Süd");
  expect(readable("share=100%, store=%FF%C3%BC, city=K%C3%B6ln")).toBe("share=100%, store=%FF%C3%BC, city=Köln");
});

it("shows text that is no time as it is", () => {
  expect(time("soon")).toBe("soon");
});

it("names sizes and lists", () => {
  expect(bytes(9_480_000)).toBe("9.48 MB");
  expect(bytes(0)).toBe("0 byte");
  expect(list(["a", "b"])).toBe("a and b");
  expect(list(["a", "b", "c", "d", "e"])).toBe("a, b, c and 2 more");
  expect(list([])).toBe("");
});
