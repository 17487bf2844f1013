import { type ReactNode, useId } from "react";

import { Box, Flex, Heading } from "../kit";

interface Props {
  title: string;
  /** Beside the title. */
  aside?: ReactNode;
  children: ReactNode;
}

/** A framed part of a page, with its heading. */
export function Section({ title, aside, children }: Props) {
  const id = useId();
  return (
    <Box
      as="section"
      aria-labelledby={id}
      bg="bg"
      borderColor="border"
      borderRadius="md"
      borderWidth={1}
      minW={0}
      p={{ base: 3, md: 4 }}
    >
      <Flex align="center" gap={3} justify="space-between" mb={3} wrap="wrap">
        <Heading as="h2" id={id} size="sm">
          {title}
        </Heading>
        {aside}
      </Flex>
      {children}
    </Box>
  );
}
