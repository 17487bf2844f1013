import { Box } from "../kit";

export interface Part {
  share: number;
  colour: string;
}

/** A bar of parts, each a share of the whole. */
export function Bar({ parts, label, now }: { parts: Part[]; label: string; now: number }) {
  return (
    <Box
      aria-label={label}
      aria-valuemax={100}
      aria-valuemin={0}
      aria-valuenow={Math.round(now * 100)}
      bg="bg.emphasized"
      borderRadius="full"
      display="flex"
      height={3}
      overflow="hidden"
      role="progressbar"
    >
      {parts.map((part) => (
        <Box bg={part.colour} key={part.colour} transition="width 0.4s" width={`${100 * part.share}%`} />
      ))}
    </Box>
  );
}
