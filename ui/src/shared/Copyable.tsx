import { useState } from "react";

import { Box, Button, Code, Flex } from "../kit";

/** A line to copy. Where the browser offers no clipboard (no HTTPS), the line is selected for the user to copy. */
export function Copyable({ text, name }: { text: string; name: string }) {
  const [copied, setCopied] = useState(false);

  const copy = async (line: HTMLElement | null) => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      setTimeout(() => setCopied(false), 2_000);
    } catch {
      if (line) getSelection()?.selectAllChildren(line);
    }
  };

  return (
    <Flex align="stretch" gap={2} minW={0}>
      <Box flex={1} minW={0}>
        <Code display="block" fontSize="xs" overflowX="auto" px={2} py={1.5} tabIndex={0} whiteSpace="pre">
          {text}
        </Code>
      </Box>
      <Button
        size="xs"
        variant="outline"
        aria-label={copied ? `Copied: ${name}` : `Copy: ${name}`}
        onClick={(event) => void copy(event.currentTarget.parentElement?.querySelector("code") ?? null)}
      >
        {copied ? "Copied" : "Copy"}
      </Button>
    </Flex>
  );
}
