/** Where cells lie, and which one a point or a key means: plain arithmetic, without a canvas. */

export interface Layout {
  columns: number;
  rows: number;
  /** Side of a cell with its gap, and the gap, in CSS pixels. */
  pitch: number;
  gap: number;
  height: number;
}

const LARGEST = 36;
const SMALLEST = 6;
/** Up to this height the grid shows all cells at once by making them smaller; past it, it grows. */
const COMFORTABLE = 260;

export function layout(cells: number, width: number): Layout {
  const usable = Math.max(width, SMALLEST);
  let pitch = LARGEST;
  while (pitch > SMALLEST && Math.ceil(cells / (Math.floor(usable / pitch) || 1)) * pitch > COMFORTABLE) pitch -= 1;
  const columns = Math.max(Math.min(Math.floor(usable / pitch), Math.max(cells, 1)), 1);
  const rows = Math.ceil(cells / columns);
  return { columns, rows, pitch, gap: pitch >= 20 ? 4 : pitch >= 10 ? 2 : 1, height: Math.max(rows * pitch, pitch) };
}

/** The cell at a point, or null beside all cells. */
export function cellAt(at: Layout, cells: number, x: number, y: number): number | null {
  const column = Math.floor(x / at.pitch);
  const index = Math.floor(y / at.pitch) * at.columns + column;
  return x < 0 || y < 0 || column >= at.columns || index >= cells ? null : index;
}

/** The cell that a key moves to from `from`; null for keys that move nowhere. */
export function move(at: Layout, cells: number, from: number, key: string): number | null {
  const steps: Record<string, number> = {
    ArrowRight: from + 1,
    ArrowLeft: from - 1,
    ArrowDown: from + at.columns,
    ArrowUp: from - at.columns,
    Home: 0,
    End: cells - 1,
  };
  const to = steps[key];
  if (to === undefined) return null;
  return to < 0 || to >= cells ? from : to;
}

/** Share of a cell's side that its inner square takes: its area grows with rows, compared with the largest. */
export function innerShare(rows: number, most: number): number {
  if (most <= 0 || rows <= 0) return 0;
  return 0.2 + 0.45 * Math.sqrt(rows / most);
}

/** Cells whose picture may have changed. */
export function changed(before: readonly string[], after: readonly string[]): number[] {
  const cells: number[] = [];
  for (let index = 0; index < after.length; index += 1) if (before[index] !== after[index]) cells.push(index);
  return cells;
}
