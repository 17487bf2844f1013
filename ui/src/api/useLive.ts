import { useCallback, useEffect, useRef, useState } from "react";

import { ApiError, getJson } from "./client";

const EVERY_MS = 2_000;
const SLOWEST_MS = 30_000;
/** An answer may cost the server a tenth of its time. */
const REST = 10;

/** Milliseconds until the next poll, after an answer (or a failure) that took `tookMs`. */
export function pause(tookMs: number, failures: number): number {
  return Math.min(Math.max(EVERY_MS, REST * tookMs) * 2 ** Math.min(failures, 4), SLOWEST_MS);
}

/** When to ask again: soon, as something changes; now and then, as somebody may change it; or never. */
export type Pace = "soon" | "seldom" | "never";

export interface Live<T> {
  /** The last answer; kept when a later poll fails. */
  data: T | null;
  /** Why the last poll failed; null if it did not. */
  error: ApiError | null;
  /** When `data` came (milliseconds since the epoch). */
  at: number;
  /** Ask now. */
  refresh: () => void;
}

interface Loaded<T> {
  url: string | null;
  data: T | null;
  error: ApiError | null;
  at: number;
}

/**
 * The answer of a route, asked again every two seconds, or every 30 where `paceOf` says `seldom`, while the page is
 * visible. One request at a time; none after a refusal, which would be the same again.
 *
 * @param version - another number asks again, and what is there is kept until the answer comes.
 */
export function useLive<T>(url: string | null, paceOf: (data: T) => Pace = () => "never", version = 0): Live<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ url, data: null, error: null, at: 0 });
  const pace = useRef(paceOf);
  const wake = useRef<() => void>(() => undefined);
  useEffect(() => {
    pace.current = paceOf;
  });

  useEffect(() => {
    if (url === null) return;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let busy = false;
    let again = false;
    let failures = 0;

    const ask = async () => {
      if (busy) again = true; // what is under way may be older than what the user has just done
      if (busy || document.hidden) return;
      clearTimeout(timer);
      busy = true;
      again = false;
      const started = performance.now();
      let next: Pace;
      try {
        const data = await getJson<T>(url, abort.signal);
        failures = 0;
        next = pace.current(data);
        setLoaded({ url, data, error: null, at: Date.now() });
      } catch (cause) {
        if (abort.signal.aborted) return;
        const error = cause instanceof ApiError ? cause : new ApiError(0, String(cause));
        failures += 1;
        next = error.status === 0 || error.status >= 500 ? "soon" : "never";
        setLoaded((last) => (last.url === url ? { ...last, error } : { url, data: null, error, at: 0 }));
      } finally {
        busy = false;
      }
      // `ask` itself may have been called meanwhile, which the compiler cannot see.
      if (again as boolean) void ask();
      else if (next !== "never") {
        const wait = next === "seldom" ? SLOWEST_MS : pause(performance.now() - started, failures);
        timer = setTimeout(() => void ask(), wait);
      }
    };

    wake.current = () => void ask();
    const whenVisible = () => {
      if (!document.hidden) void ask();
    };
    document.addEventListener("visibilitychange", whenVisible);
    void ask();
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", whenVisible);
    };
  }, [url, version]);

  const refresh = useCallback(() => {
    wake.current();
  }, []);
  // What another URL answered is not shown for this one.
  const current = loaded.url === url ? loaded : { data: null, error: null, at: 0 };
  return { data: current.data, error: current.error, at: current.at, refresh };
}
