import { SERIES } from "../chart/chart";
import { Box } from "../kit";

const SIDE = 5;

/** A version as a coloured square with its number among the versions; -2: a failure, as a cross. */
export function VersionSign({ index }: { index: number }) {
  const failed = index < 0;
  return (
    <Box
      alignItems="center"
      aria-hidden="true"
      bg={failed ? "transparent" : SERIES[index % SERIES.length]}
      borderColor={failed ? "failed.solid" : "transparent"}
      borderRadius="sm"
      borderWidth={1}
      boxSize={SIDE}
      color={failed ? "failed.fg" : index % SERIES.length === 1 || index % SERIES.length === 5 ? "black" : "white"}
      display="inline-flex"
      flexShrink={0}
      fontSize="xs"
      fontWeight="bold"
      justifyContent="center"
    >
      {failed ? "✕" : index + 1}
    </Box>
  );
}

export function VersionCell({ index, name }: { index: number; name: string }) {
  return (
    <span title={name}>
      <VersionSign index={index} />
    </span>
  );
}
