import { SERIES, inkOn } from "../chart/chart";
import { Box } from "../kit";

const SIDE = 5;

/** A version as a coloured square with its number among the versions; -2: a failure, as a cross. */
export function VersionSign({ index }: { index: number }) {
  const colour = index < 0 ? null : (SERIES[index % SERIES.length] ?? null);
  return (
    <Box
      alignItems="center"
      aria-hidden="true"
      bg={colour ?? "transparent"}
      borderColor={colour === null ? "failed.solid" : "transparent"}
      borderRadius="sm"
      borderWidth={1}
      boxSize={SIDE}
      color={colour === null ? "failed.fg" : inkOn(colour)}
      display="inline-flex"
      flexShrink={0}
      fontSize="xs"
      fontWeight="bold"
      justifyContent="center"
    >
      {colour === null ? "✕" : index + 1}
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
