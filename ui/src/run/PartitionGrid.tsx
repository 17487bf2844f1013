import { type KeyboardEvent, type MouseEvent, useEffect, useMemo, useRef, useState } from "react";

import type { PartitionTable } from "../api/types";
import { count, many } from "../format";
import { Box, Text } from "../kit";
import { useDark } from "../shared/useDark";
import { useWidth } from "../shared/useWidth";
import { type Layout, cellAt, changed, layout, move } from "./gridLayout";
import { paint, pictures } from "./gridPaint";
import { nameOf } from "./identity";
import { LOOKS, shownAs } from "./states";

/** A cell in words, for the line below the grid and for screen readers. */
export function describe(partitions: PartitionTable, index: number): string {
  const state = shownAs(partitions, index);
  const rows = partitions.rows_read[index] ?? 0;
  const quarantined = partitions.rows_quarantined[index] ?? 0;
  const blocks = partitions.blocks_total[index] ?? 0;
  const parts = [LOOKS[state].label];
  if (rows) parts.push(many(rows, "row"));
  if (state === "running" && blocks) parts.push(`block ${count(partitions.blocks[index] ?? 0)} of ${count(blocks)}`);
  if (quarantined) parts.push(`${many(quarantined, "row")} in quarantine`);
  return `${nameOf(partitions, index)}: ${parts.join(", ")}`;
}

/** Keeps the canvas as the partitions are: whatever has not changed since the last time is not drawn again. */
function useCanvas(partitions: PartitionTable, at: Layout, width: number) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drawn = useRef<{ looks: string[]; key: string }>({ looks: [], key: "" });
  const dark = useDark();
  const looks = useMemo(() => pictures(partitions), [partitions]);
  useEffect(() => {
    const element = canvas.current;
    const pen = element?.getContext("2d");
    if (!element || !pen || width === 0) return;
    const scale = window.devicePixelRatio || 1;
    const key = [width, at.pitch, at.columns, at.rows, scale, dark].join();
    const anew = drawn.current.key !== key || drawn.current.looks.length !== looks.length;
    if (anew) {
      element.width = Math.round(at.columns * at.pitch * scale);
      element.height = Math.round(at.height * scale);
      pen.scale(scale, scale);
    }
    paint(pen, at, anew ? looks.keys() : changed(drawn.current.looks, looks), looks, dark);
    drawn.current = { looks, key };
  }, [at, dark, looks, width]);
  return canvas;
}

interface Props {
  partitions: PartitionTable;
  chosen: number | null;
  onOpen: (index: number) => void;
}

/** One cell for each partition. */
export function PartitionGrid({ partitions, chosen, onOpen }: Props) {
  const cells = partitions.key.length;
  const [frame, width] = useWidth<HTMLButtonElement>(partitions);
  const at = useMemo(() => layout(cells, width), [cells, width]);
  const canvas = useCanvas(partitions, at, width);
  const [cursor, setCursor] = useState(0);
  const [hovered, setHovered] = useState<number | null>(null);
  const [focused, setFocused] = useState(false);
  const current = Math.min(cursor, cells - 1);
  const told = hovered ?? (focused ? current : chosen);
  const marked = focused ? current : chosen;

  const under = (event: MouseEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return cellAt(at, cells, event.clientX - box.left, event.clientY - box.top);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const to = move(at, cells, current, event.key);
    if (to === null) return;
    event.preventDefault();
    setFocused(true); // a click gives the focus without :focus-visible
    setHovered(null); // the pointer may rest where it clicked
    setCursor(to);
  };
  const onClick = (event: MouseEvent) => {
    const cell = event.detail === 0 ? current : under(event); // 0: Enter or the space bar
    if (cell === null) return;
    setCursor(cell);
    onOpen(cell);
  };

  return (
    <Box>
      <Box
        as="button"
        aria-label={`Grid of ${many(cells, "partition")}. Arrow keys choose one, Enter opens it.`}
        cursor={hovered === null ? "default" : "pointer"}
        display="block"
        height={`${at.height}px`}
        onBlur={() => setFocused(false)}
        onClick={onClick}
        onFocus={(event: { currentTarget: Element }) => setFocused(event.currentTarget.matches(":focus-visible"))}
        onKeyDown={onKeyDown}
        onMouseLeave={() => setHovered(null)}
        onMouseMove={(event: MouseEvent) => setHovered(under(event))}
        outlineOffset={2}
        position="relative"
        ref={frame}
        textAlign="left"
        width="100%"
      >
        <canvas ref={canvas} style={{ height: at.height, width: at.columns * at.pitch }} />
        {marked === null ? null : (
          <Box
            borderColor="fg"
            borderRadius={1}
            borderWidth={2}
            boxSize={`${at.pitch - at.gap + 6}px`}
            left={`${(marked % at.columns) * at.pitch - 3}px`}
            pointerEvents="none"
            position="absolute"
            top={`${Math.floor(marked / at.columns) * at.pitch - 3}px`}
          />
        )}
      </Box>
      <Text aria-live="polite" fontSize="sm" minH={6} mt={2} overflowWrap="anywhere">
        {told === null ? (
          <Box as="span" color="fg.muted">
            Choose a cell for its details.
          </Box>
        ) : (
          describe(partitions, told)
        )}
      </Text>
    </Box>
  );
}
