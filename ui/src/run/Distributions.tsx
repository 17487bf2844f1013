import { useState } from "react";

import { routes } from "../api/base";
import type { ProfilesView, RunView } from "../api/types";
import { useLive } from "../api/useLive";
import { count, many, measure, readable } from "../format";
import { Box, NativeSelect, Text } from "../kit";
import { Incomplete, Loaded } from "../shared/Notice";
import { Section } from "../shared/Section";
import { DistributionChart } from "./DistributionChart";
import { DriftList } from "./DriftList";
import { committed, doublings, paceOfFiles } from "./polling";

/** Predictions and features against training: of all partitions, or of one. */
export function Distributions({ view }: { view: RunView }) {
  const [key, setKey] = useState<string | null>(null);
  const [column, setColumn] = useState<string | null>(null);
  const ready = committed(view.partitions);
  // The answer for a key is of all stages that scored it.
  const keys = [...new Set(ready.map((index) => view.partitions.key[index] ?? ""))];
  const url = routes.profiles(view.dag_id, view.run_id, key);
  const live = useLive<ProfilesView>(url, paceOfFiles, doublings(view, ready.length));
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
            {keys.slice(0, 1_000).map((one) => (
              <option key={one} value={one}>
                {readable(one)}
              </option>
            ))}
          </NativeSelect.Field>
          <NativeSelect.Indicator />
        </NativeSelect.Root>
      }
      title="Distributions and drift against training"
    >
      <Loaded live={live}>
        {(profiles) => (
          <Compared
            chosen={column}
            limit={view.totals.drift_limit}
            onChoose={setColumn}
            only={key}
            profiles={profiles}
          />
        )}
      </Loaded>
    </Section>
  );
}

interface Props {
  profiles: ProfilesView;
  /** The partition that was asked for; null: all of them. */
  only: string | null;
  limit: number | null;
  chosen: string | null;
  onChoose: (column: string) => void;
}

function Compared({ profiles, only, limit, chosen, onChoose }: Props) {
  const { columns, committed: all, incomplete, looked_at, problem } = profiles;
  if (problem !== null) return <Text fontSize="sm">{problem}</Text>;
  const column = columns.find((one) => one.column === chosen) ?? columns[0];
  if (!column) return incomplete ? <Incomplete /> : <Text fontSize="sm">No distribution was recorded.</Text>;
  return (
    <>
      {incomplete ? <Incomplete /> : null}
      <Box display="grid" gap={4} gridTemplateColumns="repeat(auto-fit, minmax(min(300px, 100%), 1fr))">
        <DriftList chosen={column.column} columns={columns} limit={limit} onChoose={onChoose} />
        <DistributionChart column={column} name={only === null ? "all scored partitions" : readable(only)} />
      </Box>
      <Text color="fg.muted" fontSize="sm" mt={3}>
        Drift is the population stability index (PSI) of {only === null ? "all partitions together" : readable(only)}:
        below 0.1 little has changed, above 0.25 much.{" "}
        {limit === null ? "No gate limits it." : `The mark is the gate's limit per partition, ${measure(limit)}.`}
        {only === null && looked_at < all ? ` Looked at: ${count(looked_at)} of ${many(all, "scored partition")}.` : ""}
      </Text>
    </>
  );
}
