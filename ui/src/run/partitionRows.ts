import type { PartitionTable } from "../api/types";
import { readable } from "../format";
import { ORDER, type Shown, shownAs } from "./states";

export type Column =
  | "worst"
  | "key"
  | "rows_read"
  | "rows_scored"
  | "rows_skipped"
  | "rows_quarantined"
  | "blocks"
  | "rows_per_second"
  | "drift"
  | "tries";

export interface Sorting {
  by: Column;
  descending: boolean;
}

export interface Filter {
  text: string;
  state: Shown | "";
}

function value(partitions: PartitionTable, index: number, by: Exclude<Column, "worst" | "key">): number {
  if (by === "tries") return partitions.tasks[partitions.task[index] ?? -1]?.try_number ?? 0;
  return partitions[by][index] ?? -1;
}

const names = new Intl.Collator(undefined, { numeric: true });

/** Failed first, then rows in quarantine, then drift: what a person should look at. */
function worse(partitions: PartitionTable, a: number, b: number): number {
  const order = (index: number) => ORDER.indexOf(shownAs(partitions, index));
  return (
    order(a) - order(b) ||
    (partitions.rows_quarantined[b] ?? 0) - (partitions.rows_quarantined[a] ?? 0) ||
    (partitions.drift[b] ?? -1) - (partitions.drift[a] ?? -1) ||
    a - b
  );
}

/** Positions of the partitions that the filter lets through, in the order asked for. */
export function arrange(partitions: PartitionTable, filter: Filter, { by, descending }: Sorting): number[] {
  const text = filter.text.trim().toLowerCase();
  const hasText = (key: string) => [key, readable(key)].some((form) => form.toLowerCase().includes(text));
  const found = [...partitions.key.keys()].filter(
    (index) =>
      (filter.state === "" || shownAs(partitions, index) === filter.state) &&
      (text === "" || hasText(partitions.key[index] ?? "")),
  );
  const compare = (a: number, b: number) => {
    if (by === "worst") return worse(partitions, a, b);
    if (by === "key") return names.compare(readable(partitions.key[a] ?? ""), readable(partitions.key[b] ?? ""));
    return value(partitions, a, by) - value(partitions, b, by);
  };
  return found.sort((a, b) => (descending ? -compare(a, b) : compare(a, b)) || a - b);
}
