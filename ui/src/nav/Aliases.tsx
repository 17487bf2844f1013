import type { ModelHistory } from "../api/types";
import { time } from "../format";
import { Badge, Box, Flex, Stack, Text } from "../kit";
import { Section } from "../shared/Section";
import { MoveAlias } from "./MoveAlias";

/** Which version each alias names, who moved it, and the way back. */
export function Aliases({ model, refresh }: { model: ModelHistory; refresh: () => void }) {
  return (
    <Section title="Aliases">
      {model.aliases.length === 0 ? <Text fontSize="sm">No alias names a version of this model.</Text> : null}
      <Stack gap={4}>
        {model.aliases.map(({ alias, version, moves }) => {
          const before = moves.find((move) => move.version !== version)?.version;
          return (
            <Box key={alias}>
              <Flex align="center" gap={3} wrap="wrap">
                <Badge colorPalette="brand" size="md">
                  @{alias}
                </Badge>
                <Text>
                  names version <b>{version}</b>
                </Text>
                {before !== undefined && model.may.promote ? (
                  <MoveAlias alias={alias} back model={model} refresh={refresh} version={before} />
                ) : null}
              </Flex>
              <Box as="ul" color="fg.muted" fontSize="sm" listStyleType="none" m={0} mt={1} p={0}>
                {moves.slice(0, 5).map((move) => (
                  <li key={`${move.when} ${move.version}`}>
                    {time(move.when)}: to {move.version} by {move.by || "a run of another DAG"}
                  </li>
                ))}
              </Box>
            </Box>
          );
        })}
      </Stack>
    </Section>
  );
}
