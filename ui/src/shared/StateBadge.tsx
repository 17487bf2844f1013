import type { TaskState } from "../api/types";
import { Badge } from "../kit";

const SIGNS: Record<string, string> = {
  success: "✓",
  failed: "✕",
  upstream_failed: "○",
  running: "▶",
  queued: "…",
  scheduled: "…",
  skipped: "⤼",
  up_for_retry: "↻",
  restarting: "↻",
};

/** What Airflow calls otherwise than people do. */
const WORDS: Record<string, string> = { upstream_failed: "did not run", none: "not yet" };

/** A state in words, or the name of one that Airflow counts. */
export function stateName(name: string): string {
  return WORDS[name] ?? name.replaceAll("_", " ");
}

/** A state of Airflow, in its colour, with a sign and its name. */
export function StateBadge({ state }: { state: TaskState }) {
  const name = state ?? "none";
  return (
    <Badge colorPalette={state ?? "none"} variant="surface" whiteSpace="nowrap">
      <span aria-hidden="true">{SIGNS[name] ?? "○"}</span> {stateName(name)}
    </Badge>
  );
}
