import type { GateView } from "../api/types";
import { Box, Stack, Text } from "../kit";
import { Section } from "../shared/Section";
import { StateBadge } from "../shared/StateBadge";
import { STAGE_NAMES } from "./stageNames";

type Check = GateView["checks"][number];

function CheckLine({ check }: { check: Check }) {
  const passed = check.problem === null;
  return (
    <Box as="li" borderColor="border" borderTopWidth={1} py={2}>
      <Box display="grid" gap={2} gridTemplateColumns="1.25rem 1fr">
        <Text aria-hidden="true" color={passed ? "success.fg" : "failed.fg"} fontWeight="bold">
          {passed ? "✓" : "✕"}
        </Text>
        <Box minW={0} overflowWrap="anywhere">
          <Text as="span" fontWeight="semibold">
            {check.what}
          </Text>
          : found {check.found}
          {check.allowed === "-" ? "" : `, allowed ${check.allowed}`}. {passed ? "Passed." : "Not passed."}
          {passed ? null : <Text mt={1}>{check.problem}</Text>}
        </Box>
      </Box>
    </Box>
  );
}

/** What each gate looked at, what it found, and what to do where it did not pass. */
export function Gates({ gates }: { gates: GateView[] }) {
  return (
    <Section title="Checks">
      <Stack gap={4}>
        {gates.map((gate) => (
          <Box fontSize="sm" key={gate.task_id}>
            <Box alignItems="center" display="flex" flexWrap="wrap" gap={2} mb={2}>
              <Text fontWeight="semibold">
                {STAGE_NAMES[gate.kind].title} ({gate.task_id})
              </Text>
              <StateBadge state={gate.state} />
            </Box>
            {gate.state === "success" && gate.checks.some((check) => check.problem !== null) ? (
              <Text mb={2}>Somebody marked it as a success although it did not pass.</Text>
            ) : null}
            {gate.checks.length === 0 ? (
              <Text color="fg.muted">It has not looked at anything yet.</Text>
            ) : (
              <Box as="ul" listStyleType="none" m={0} p={0}>
                {gate.checks.map((check) => (
                  <CheckLine check={check} key={check.what} />
                ))}
              </Box>
            )}
          </Box>
        ))}
      </Stack>
    </Section>
  );
}
