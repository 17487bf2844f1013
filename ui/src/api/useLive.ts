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
 * The answer of a route, asked again every two seconds while `isOver` is false and the page is visible. One request at a
 * time; none after a refusal, which would be the same again.
 *
 * @param version - another number asks again, and what is there is kept until the answer comes.
 */
export function useLive<T>(url: string | null, isOver: (data: T) => boolean = () => true, version = 0): Live<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ url, data: null, error: null, at: 0 });
  const over = useRef(isOver);
  const wake = useRef<() => void>(() => undefined);
  useEffect(() => {
    over.current = isOver;
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
      let goOn: boolean;
      try {
        const data = await getJson<T>(url, abort.signal);
        failures = 0;
        goOn = !over.current(data);
        setLoaded({ url, data, error: null, at: Date.now() });
      } catch (cause) {
        if (abort.signal.aborted) return;
        const error = cause instanceof ApiError ? cause : new ApiError(0, String(cause));
        failures += 1;
        goOn = error.status === 0 || error.status >= 500;
        setLoaded((last) => (last.url === url ? { ...last, error } : { url, data: null, error, at: 0 }));
      } finally {
        busy = false;
      }
      // `ask` itself may have been called meanwhile, which the compiler cannot see.
      if (again as boolean) void ask();
      else if (goOn) timer = setTimeout(() => void ask(), pause(performance.now() - started, failures));
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
