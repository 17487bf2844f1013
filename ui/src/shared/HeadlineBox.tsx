import type { ReactNode } from "react";

import { Box, Flex, Heading, Stack } from "../kit";
import { StateBadge } from "./StateBadge";
import type { TaskState } from "../api/types";

interface Props {
  /** Colour of Airflow's states that the box takes. */
  colour: string;
  sentence: string;
  size: "lg" | "md";
  state: TaskState;
  children: ReactNode;
}

/** A run or a task in one sentence, and what belongs to it. */
export function HeadlineBox({ colour, sentence, size, state, children }: Props) {
  return (
    <Box
      bg={`${colour}.solid/15`}
      borderColor={`${colour}.solid/40`}
      borderLeftColor={`${colour}.solid`}
      borderLeftWidth="6px"
      borderRadius="md"
      borderWidth={1}
      p={{ base: 3, md: 4 }}
    >
      <Stack gap={3}>
        <Flex align="start" gap={3} justify="space-between" wrap="wrap">
          <Heading
            aria-live="polite"
            as="h1"
            flex={size === "lg" ? "1 1 280px" : "1 1 240px"}
            overflowWrap="anywhere"
            size={size}
          >
            {sentence}
          </Heading>
          <StateBadge state={state} />
        </Flex>
        {children}
      </Stack>
    </Box>
  );
}
