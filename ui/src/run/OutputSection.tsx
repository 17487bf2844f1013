import { onServer } from "../api/base";
import type { OutputView, RunView } from "../api/types";
import { count, time } from "../format";
import { Box, Button, Stack, Text } from "../kit";
import { Copyable } from "../shared/Copyable";
import { Facts } from "../shared/Facts";
import { Section } from "../shared/Section";

function changesText(changes: NonNullable<OutputView["changes"]>): string {
  const parts = Object.entries(changes).filter(([, partitions]) => partitions > 0);
  return parts.map(([what, partitions]) => `${count(partitions)} ${what}`).join(", ") || "none";
}

/** Where data comes from and goes to, and how to read what is published. */
export function OutputSection({ inputs, output }: { inputs: RunView["inputs"]; output: OutputView | null }) {
  return (
    <Section
      aside={
        output?.report ? (
          <Button asChild size="xs" variant="outline">
            <a download href={onServer(output.report)}>
              Download the report
            </a>
          </Button>
        ) : null
      }
      title="Data in and out"
    >
      <Stack gap={3}>
        <Facts
          facts={[
            ["Scored data", inputs.map((input) => input.dataset).join(", ") || "–"],
            ["Published to", output?.uri ?? "–"],
            ["Published", output?.published ? time(output.published) : "not yet"],
            ["Rows", count(output?.rows ?? null)],
            ["Partitions there", output?.changes ? changesText(output.changes) : "–"],
            ["Generation", output?.generation ? String(output.generation) : "–"],
          ]}
        />
        {output?.published && output.read_with.length > 0 ? (
          <Box>
            <Text fontSize="sm" fontWeight="semibold" mb={2}>
              Read the scores
            </Text>
            <Stack gap={2}>
              {output.read_with.map(({ name, code }) => (
                <Box key={name}>
                  <Text color="fg.muted" fontSize="xs">
                    {name}
                  </Text>
                  <Copyable name={`how to read the scores with ${name}`} text={code} />
                </Box>
              ))}
            </Stack>
          </Box>
        ) : output?.published ? null : (
          <Text color="fg.muted" fontSize="sm">
            Nothing of this run can be read yet: scores are published only after all checks have passed.
          </Text>
        )}
      </Stack>
    </Section>
  );
}
