import { useEffect, useRef } from "react";

import type { PartitionTable } from "../api/types";
import { count } from "../format";
import { Box, Flex } from "../kit";
import { useDark } from "../shared/useDark";
import { paint } from "./gridPaint";
import { LOOKS, ORDER, shownAs } from "./states";

const SIDE = 16;
const ONE = { columns: 1, rows: 1, pitch: SIDE, gap: 0, height: SIDE };

/** The picture that a state has in the grid. */
export function Sign({ picture }: { picture: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const dark = useDark();
  useEffect(() => {
    const pen = canvas.current?.getContext("2d");
    if (!pen) return;
    pen.setTransform(2, 0, 0, 2, 0, 0);
    paint(pen, ONE, [0], [picture], dark);
  }, [dark, picture]);
  return (
    <canvas aria-hidden="true" height={2 * SIDE} ref={canvas} style={{ height: SIDE, width: SIDE }} width={2 * SIDE} />
  );
}

export const signOf = (state: keyof typeof LOOKS) =>
  `${state} 0.5 ${state === "scored" || state === "reused" ? 0.5 : 0} `;

/** What the cells' colours and shapes mean, and how many there are of each. */
export function Legend({ partitions }: { partitions: PartitionTable }) {
  const counts = new Map(ORDER.map((state) => [state, 0]));
  for (const index of partitions.key.keys()) {
    const state = shownAs(partitions, index);
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return (
    <Flex
      as="ul"
      color="fg.muted"
      columnGap={4}
      fontSize="sm"
      listStyleType="none"
      m={0}
      mb={3}
      p={0}
      rowGap={1}
      wrap="wrap"
    >
      {[...counts]
        .filter(([, number]) => number > 0)
        .map(([state, number]) => (
          <Flex align="center" as="li" gap={1.5} key={state}>
            <Sign picture={signOf(state)} />
            <Box as="span">
              {count(number)} {LOOKS[state].label}
            </Box>
          </Flex>
        ))}
      {partitions.rows_quarantined.some((rows) => rows > 0) ? (
        <Flex align="center" as="li" gap={1.5}>
          <Sign picture="scored 0 0 q" />
          <Box as="span">with rows in quarantine</Box>
        </Flex>
      ) : null}
      <Box as="li">inner square: number of rows</Box>
    </Flex>
  );
}
