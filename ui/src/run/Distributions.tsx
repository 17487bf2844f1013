import { useState } from "react";

import { routes } from "../api/base";
import type { ProfilesView, RunView } from "../api/types";
import { useLive } from "../api/useLive";
import { count, many, measure } from "../format";
import { Box, NativeSelect, Text } from "../kit";
import { Loaded } from "../shared/Notice";
import { Section } from "../shared/Section";
import { DistributionChart } from "./DistributionChart";
import { DriftList } from "./DriftList";
import { isOver } from "./headline";

interface Props {
  view: RunView;
  /** Number of partitions that are scored. */
  committed: number;
}

/** Predictions and features against training. Manifests are read for it: once now and once at the end, not every poll. */
export function Distributions({ view, committed }: Props) {
  const [key, setKey] = useState<string | null>(null);
  const version = isOver(view) ? committed : -1;
  const all = useLive<ProfilesView>(routes.profiles(view.dag_id, view.run_id, null), () => true, version);
  // Of a partition that is not in the sample of all, its own profile is asked for.
  const sampled = key === null || (all.data?.partitions.includes(key) ?? true);
  const one = useLive<ProfilesView>(sampled ? null : routes.profiles(view.dag_id, view.run_id, key));
  const keys = view.partitions.key.filter((_, index) =>
    ["scored", "reused"].includes(view.partitions.state[index] ?? ""),
  );
  return (
    <Section
      aside={
        <NativeSelect.Root size="sm" width={{ base: "100%", sm: 56 }}>
          <NativeSelect.Field
            aria-label="Compare training with"
            onChange={(event) => setKey(event.target.value === "" ? null : event.target.value)}
            value={key ?? ""}
          >
            <option value="">all partitions</option>
            {keys.slice(0, 1_000).map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </NativeSelect.Field>
          <NativeSelect.Indicator />
        </NativeSelect.Root>
      }
      title="Distributions and drift against training"
    >
      <Loaded live={sampled ? all : one}>
        {(profiles) => <Compared limit={view.totals.drift_limit} only={key} profiles={profiles} />}
      </Loaded>
    </Section>
  );
}

function Compared({ profiles, only, limit }: { profiles: ProfilesView; only: string | null; limit: number | null }) {
  const [chosen, setChosen] = useState<string | null>(null);
  if (profiles.problem !== null) return <Text fontSize="sm">{profiles.problem}</Text>;
  const entries = profiles.columns
    .map(({ column, is_feature }) => ({ column, is_feature, drift: profiles.drift[column] ?? null }))
    .sort((a, b) => Number(a.is_feature) - Number(b.is_feature) || (b.drift ?? -1) - (a.drift ?? -1));
  const column =
    profiles.columns.find((one) => one.column === chosen) ??
    profiles.columns.find((one) => one.column === entries[0]?.column);
  if (!column) return <Text fontSize="sm">No distribution was recorded.</Text>;
  const position = only === null ? -1 : profiles.partitions.indexOf(only);
  const shares = (position < 0 ? null : column.each[position]) ?? column.all;
  return (
    <>
      <Box display="grid" gap={4} gridTemplateColumns="repeat(auto-fit, minmax(min(300px, 100%), 1fr))">
        <DriftList chosen={column.column} entries={entries} limit={limit} onChoose={setChosen} />
        <DistributionChart column={column} name={only ?? "all scored partitions"} shares={shares} />
      </Box>
      <Text color="fg.muted" fontSize="sm" mt={3}>
        Drift is the population stability index (PSI) of{" "}
        {only === null || position < 0 ? "what was looked at" : "all partitions"} together: below 0.1 little has
        changed, above 0.25 much.{" "}
        {limit === null ? "No gate limits it." : `The mark is the gate's limit, ${measure(limit)} for any partition.`}
        {profiles.partitions.length < profiles.committed
          ? ` Looked at: ${count(profiles.partitions.length)} of ${many(profiles.committed, "scored partition")}.`
          : ""}
      </Text>
    </>
  );
}
