import type { PartitionTable } from "../api/types";
import { type Layout, innerShare } from "./gridLayout";
import { LOOKS, shownAs } from "./states";

/** What a cell's picture depends on, as one text: equal texts are equal pictures. */
export function picture(partitions: PartitionTable, index: number, most: number): string {
  const state = shownAs(partitions, index);
  const total = partitions.blocks_total[index] ?? 0;
  const fill = state === "running" && total > 0 ? Math.round((20 * (partitions.blocks[index] ?? 0)) / total) / 20 : 0;
  const inner = Math.round(innerShare(partitions.rows_read[index] ?? 0, most) * 20) / 20;
  const quarantined = (partitions.rows_quarantined[index] ?? 0) > 0;
  return `${state} ${fill} ${state === "scored" || state === "reused" ? inner : 0} ${quarantined ? "q" : ""}`;
}

export function pictures(partitions: PartitionTable): string[] {
  const most = partitions.rows_read.reduce((a, b) => Math.max(a, b), 0);
  return partitions.key.map((_, index) => picture(partitions, index, most));
}

type Pen = CanvasRenderingContext2D;

function shape(pen: Pen, what: string, x: number, y: number, side: number, dark: boolean) {
  const [state, fill, inner, quarantined] = what.split(" ") as [keyof typeof LOOKS, string, string, string];
  const look = LOOKS[state];
  const line = Math.max(1, side / 12);
  pen.fillStyle = pen.strokeStyle = dark ? look.dark : look.light;
  pen.lineWidth = line;
  const edge = () => pen.strokeRect(x + line / 2, y + line / 2, side - line, side - line);
  const ground = dark ? "#0F141C" : "#FFFFFF";

  if (look.shape === "solid") pen.fillRect(x, y, side, side);
  else edge();
  if (look.shape === "fill") {
    const height = Math.max(side * Number(fill), line * 2);
    pen.fillRect(x, y + side - height, side, height);
  }
  if (look.shape === "cross") {
    pen.fillRect(x, y, side, side);
    pen.strokeStyle = ground;
    pen.lineWidth = Math.max(1.5, side / 8);
    const inset = side * 0.25;
    pen.beginPath();
    pen.moveTo(x + inset, y + inset);
    pen.lineTo(x + side - inset, y + side - inset);
    pen.moveTo(x + side - inset, y + inset);
    pen.lineTo(x + inset, y + side - inset);
    pen.stroke();
  }
  if (look.shape === "minus") pen.fillRect(x + side * 0.2, y + side * 0.4, side * 0.6, side * 0.2);
  if (look.shape === "slash") {
    pen.beginPath();
    pen.moveTo(x + side - line, y + line);
    pen.lineTo(x + line, y + side - line);
    pen.stroke();
  }
  const square = side * Number(inner);
  if (square > 0 && side >= 8) {
    if (look.shape === "solid") pen.fillStyle = ground;
    pen.globalAlpha = look.shape === "solid" ? 0.55 : 1;
    pen.fillRect(x + (side - square) / 2, y + (side - square) / 2, square, square);
    pen.globalAlpha = 1;
  }
  if (quarantined && side >= 5) {
    const corner = Math.max(side * 0.36, 3);
    pen.fillStyle = "#F0E442";
    pen.strokeStyle = "#1A1A1A";
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x + side, y);
    pen.lineTo(x + side - corner, y);
    pen.lineTo(x + side, y + corner);
    pen.closePath();
    pen.fill();
    if (side >= 12) pen.stroke();
  }
}

/** Draw some cells anew. `pen` is scaled to CSS pixels. */
export function paint(pen: Pen, at: Layout, cells: Iterable<number>, looks: readonly string[], dark: boolean) {
  const side = at.pitch - at.gap;
  for (const index of cells) {
    const x = (index % at.columns) * at.pitch;
    const y = Math.floor(index / at.columns) * at.pitch;
    pen.clearRect(x, y, at.pitch, at.pitch);
    shape(pen, looks[index] ?? "waiting 0 0 ", x, y, side, dark);
  }
}
