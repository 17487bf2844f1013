import type { ProfileColumn } from "../api/types";
import { measure } from "../format";
import { Box, Button, Flex, Stack, Text } from "../kit";

interface Props {
  columns: ProfileColumn[];
  /** Of the gate; null: none. */
  limit: number | null;
  chosen: string;
  onChoose: (column: string) => void;
}

/** Columns by drift, each as a bar against the limit; a click shows its distribution. */
export function DriftList({ columns, limit, chosen, onChoose }: Props) {
  const most = Math.max(...columns.map(({ drift }) => drift ?? 0), (limit ?? 0.1) * 1.25);
  return (
    <Stack as="ul" gap={1} listStyleType="none" m={0} maxH={72} overflowY="auto" p={0}>
      {columns.map(({ column, is_feature, drift }) => {
        const above = limit !== null && (drift ?? 0) > limit;
        return (
          <li key={column}>
            <Button
              aria-pressed={column === chosen}
              bg={column === chosen ? "bg.emphasized" : "transparent"}
              display="block"
              h="auto"
              onClick={() => onChoose(column)}
              px={2}
              py={1.5}
              size="sm"
              textAlign="left"
              variant="ghost"
              w="100%"
            >
              <Flex gap={2} justify="space-between">
                <Text as="span" fontWeight={is_feature ? "normal" : "semibold"} truncate>
                  {column}
                  {is_feature ? "" : " (prediction)"}
                </Text>
                <Text as="span" color={above ? "failed.fg" : "fg.muted"} fontVariantNumeric="tabular-nums">
                  {measure(drift)}
                  {above ? " above the limit" : ""}
                </Text>
              </Flex>
              <Box bg="bg.emphasized" height={1.5} mt={1} position="relative">
                <Box
                  bg={above ? "failed.solid" : "brand.solid"}
                  height="100%"
                  width={`${(100 * (drift ?? 0)) / most}%`}
                />
                {limit === null ? null : (
                  <Box
                    bg="fg"
                    height={3}
                    left={`${(100 * limit) / most}%`}
                    position="absolute"
                    top="-3px"
                    width="2px"
                  />
                )}
              </Box>
            </Button>
          </li>
        );
      })}
    </Stack>
  );
}
