import type { ReactNode } from "react";

import { Box, Grid } from "../kit";

/** Names and values, in as many columns as fit. */
export function Facts({ facts, wide = 180 }: { facts: [string, ReactNode][]; wide?: number }) {
  return (
    <Grid as="dl" gap={3} m={0} templateColumns={`repeat(auto-fit, minmax(min(${wide}px, 100%), 1fr))`}>
      {facts.map(([name, value]) => (
        <Box key={name} minW={0}>
          <Box as="dt" color="fg.muted" fontSize="xs">
            {name}
          </Box>
          <Box as="dd" fontSize="sm" m={0} overflowWrap="anywhere">
            {value}
          </Box>
        </Box>
      ))}
    </Grid>
  );
}
