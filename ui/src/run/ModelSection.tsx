import type { ModelCard } from "../api/types";
import { count, list, many, measure, readable, time } from "../format";
import { Alert, Badge, Box, Code, Flex, Stack, Text } from "../kit";
import { Facts } from "../shared/Facts";
import { Section } from "../shared/Section";

export function metricsText(metrics: Record<string, number>): string {
  return Object.entries(metrics)
    .map(([name, value]) => `${name} ${measure(value)}`)
    .join(", ");
}

const typed = (columns: Record<string, string | null>) =>
  Object.entries(columns)
    .map(([name, type]) => (type === null ? name : `${name}: ${type}`))
    .join(", ");

/** What scored the data. */
export function ModelSection({ model }: { model: ModelCard }) {
  return (
    <Section
      aside={
        <Flex gap={1} wrap="wrap">
          {model.aliases.map((alias) => (
            <Badge colorPalette="brand" key={alias}>
              @{alias}
            </Badge>
          ))}
        </Flex>
      }
      title={`Model ${model.version}`}
    >
      <Stack gap={3}>
        {model.problem === null ? null : (
          <Alert.Root status="warning">
            <Alert.Indicator />
            <Alert.Title>{model.problem}</Alert.Title>
          </Alert.Root>
        )}
        <Facts
          facts={[
            [
              "Estimator",
              `${model.estimator} (${model.flavor}${model.compiled === null ? "" : `, compiled: ${model.compiled}`})`,
            ],
            ["Created", time(model.created)],
            ["Metrics", `${metricsText(model.metrics) || "none"}${model.metrics_on ? `, on ${model.metrics_on}` : ""}`],
            [
              "Trained on",
              `${many(model.rows_trained, "row")} of ${list(model.trained_on.map(readable), 6) || "data that is not recorded"}`,
            ],
            ["Inputs", typed(model.raw) || list(model.features, 20) || "–"],
            [
              "Outputs",
              Object.entries(model.outputs)
                .map(([method, columns]) => `${method} (${typed(columns)})`)
                .join("; ") || "–",
            ],
            [
              "Libraries",
              Object.entries(model.libraries)
                .map(([name, version]) => `${name} ${version}`)
                .join(", ") || "–",
            ],
            [
              "Digest",
              <Code key="digest" fontSize="xs">
                {model.digest.slice(0, 16)}
              </Code>,
            ],
            ["Where", model.uri],
          ]}
        />
        {model.others > 0 ? (
          <Text fontSize="sm">
            {count(model.others)} more models scored other partitions: see the partitions' details.
          </Text>
        ) : null}
        {model.evaluations.length > 0 ? (
          <Box fontSize="sm">
            <Text fontWeight="semibold">How it did on newer data</Text>
            {model.evaluations.map((evaluation) => (
              <Text key={evaluation.when + evaluation.partitions.join()}>
                {time(evaluation.when)}, {list(evaluation.partitions.map(readable))}: {metricsText(evaluation.metrics)}
                {evaluation.problems.length > 0 ? `; decayed: ${evaluation.problems.join("; ")}` : null}
              </Text>
            ))}
          </Box>
        ) : null}
      </Stack>
    </Section>
  );
}
