import { useState } from "react";

import type { ModelHistory as History } from "../api/types";
import { Alert, Stack } from "../kit";
import { Section } from "../shared/Section";
import { Aliases } from "./Aliases";
import { CompareVersions } from "./CompareVersions";
import { MetricsChart } from "./MetricsChart";
import { Versions } from "./Versions";

/** One model: its versions, how good they were, and which of them the aliases name. */
export function ModelHistory({ model, refresh }: { model: History; refresh: () => void }) {
  const [pair, setPair] = useState<string[]>(() => model.versions.slice(0, 2).map((version) => version.version));
  const nothing = model.versions.length === 0 && model.aliases.length === 0;
  const problem = model.problem !== null && (
    <Alert.Root status={nothing ? "error" : "warning"}>
      <Alert.Indicator />
      <Alert.Title overflowWrap="anywhere">{model.problem}</Alert.Title>
    </Alert.Root>
  );
  if (problem && nothing) return problem;
  const compared = model.versions.filter((version) => pair.includes(version.version)).reverse(); // older, newer
  const choose = (version: string) =>
    setPair((now) => (now.includes(version) ? now.filter((one) => one !== version) : [...now, version].slice(-2)));
  return (
    <Stack gap={4}>
      {problem}
      <Aliases model={model} refresh={refresh} />
      {model.versions.length > 1 ? (
        <Section title="Metrics over versions">
          <MetricsChart versions={model.versions} />
        </Section>
      ) : null}
      <Section title="Versions">
        <Versions chosen={pair} model={model} onChoose={choose} refresh={refresh} />
      </Section>
      {compared.length === 2 && compared[0] && compared[1] ? (
        <Section title={`${compared[0].version} beside ${compared[1].version}`}>
          <CompareVersions left={compared[0]} right={compared[1]} />
        </Section>
      ) : null}
    </Stack>
  );
}
