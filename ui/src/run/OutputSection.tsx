import { onServer } from "../api/base";
import type { OutputView, RunView } from "../api/types";
import { count, time } from "../format";
import { Box, Button, Flex, Stack, Text } from "../kit";
import { Copyable } from "../shared/Copyable";
import { Facts } from "../shared/Facts";
import { Section } from "../shared/Section";

function changesText(changes: NonNullable<OutputView["changes"]>): string {
  const parts = Object.entries(changes).filter(([, partitions]) => partitions > 0);
  return parts.map(([what, partitions]) => `${count(partitions)} ${what}`).join(", ") || "none";
}

/** How to read what is published. */
function ReadLines({ lines }: { lines: OutputView["read_with"] }) {
  return (
    <Box>
      <Text fontSize="sm" fontWeight="semibold" mb={2}>
        Read the scores
      </Text>
      <Stack gap={2}>
        {lines.map(({ name, code }) => (
          <Box key={name}>
            <Text color="fg.muted" fontSize="xs">
              {name}
            </Text>
            <Copyable name={`how to read the scores with ${name}`} text={code} />
          </Box>
        ))}
      </Stack>
    </Box>
  );
}

/** One place where scores are published. */
function Output({ output }: { output: OutputView }) {
  const version: [string, string][] = output.table_version ? [["Version of the table", output.table_version]] : [];
  return (
    <Stack aria-label={`Published to ${output.uri}`} borderTopWidth={1} gap={3} pt={3} role="group">
      <Flex align="center" gap={3} justify="space-between" wrap="wrap">
        <Text fontSize="sm" fontWeight="semibold">
          {output.is_earlier ? "What this run published before is still there" : "Published by this run"}
        </Text>
        {output.report === null ? null : (
          <Button asChild size="xs" variant="outline">
            <a download href={onServer(output.report)}>
              Download the report
            </a>
          </Button>
        )}
      </Flex>
      <Facts
        facts={[
          ["Published to", output.uri],
          ...version,
          ["Published", time(output.published)],
          ["Rows", count(output.rows)],
          ["Partitions there", output.changes ? changesText(output.changes) : "–"],
        ]}
      />
      {output.read_with.length > 0 ? <ReadLines lines={output.read_with} /> : null}
    </Stack>
  );
}

/** Where data comes from and goes to, and how to read what is published. */
export function OutputSection({ inputs, outputs }: Pick<RunView, "inputs" | "outputs">) {
  return (
    <Section title="Data in and out">
      <Stack gap={3}>
        <Facts facts={[["Scored data", inputs.map((input) => input.dataset).join(", ") || "–"]]} />
        {outputs.map((output, index) => (
          <Output key={`${index} ${output.uri}`} output={output} />
        ))}
        {outputs.length === 0 ? (
          <Text color="fg.muted" fontSize="sm">
            Nothing of this run can be read yet: scores are published only after all checks have passed.
          </Text>
        ) : null}
      </Stack>
    </Section>
  );
}
