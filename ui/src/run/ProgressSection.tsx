import type { RunView } from "../api/types";
import { bytes, count, duration, measure, percent, readable, short } from "../format";
import { Flex, Stack, Text } from "../kit";
import { Bar } from "../shared/Bar";
import { Facts } from "../shared/Facts";
import { useDark } from "../shared/useDark";
import { notMeasured } from "./drift";
import { estimated } from "./estimate";
import { LOOKS } from "./states";
import { timeLeft } from "./timeLeft";

function account(view: RunView): string {
  const { rows_read, rows_scored, rows_skipped, rows_quarantined } = view.totals;
  return (
    `${count(rows_read)} rows read = ${count(rows_scored)} scored + ${count(rows_skipped)} skipped by the recipe + ` +
    `${count(rows_quarantined)} in quarantine`
  );
}

function drift(view: RunView): string {
  const { totals, incomplete } = view;
  if (!totals.drift) return notMeasured(view);
  const { value, column, partition } = totals.drift;
  const none = incomplete ? "limit not read yet" : "no limit";
  const limit = totals.drift_limit === null ? none : `limit ${measure(totals.drift_limit)}`;
  const where = column === null || partition === null ? "" : `: ${column} in ${readable(partition)}`;
  return `${measure(value)} (${limit})${where}`;
}

/** Shares of the data that are scored and that failed: of its bytes, or where they are not known of its partitions. */
export function shares({ totals, partitions }: RunView): { scored: number; failed: number } {
  const bytesFailed = partitions.bytes.filter((_, index) => partitions.state[index] === "failed");
  const known = totals.bytes > 0;
  const all = (known ? totals.bytes : totals.partitions) || 1;
  const done = known ? totals.bytes_done : totals.by_state.scored + totals.by_state.reused;
  const lost = known ? bytesFailed.reduce((a, b) => a + b, 0) : totals.by_state.failed;
  const scored = Math.min(done / all, 1);
  return { scored, failed: Math.min(lost / all, 1 - scored) };
}

/** How far the run is, how fast, and what became of the rows. */
export function ProgressSection({ view }: { view: RunView }) {
  const { totals } = view;
  const dark = useDark();
  const colour = (state: keyof typeof LOOKS) => (dark ? LOOKS[state].dark : LOOKS[state].light);
  const { scored, failed } = shares(view);
  return (
    <Stack bg="bg" borderColor="border" borderRadius="md" borderWidth={1} gap={3} p={{ base: 3, md: 4 }}>
      <Flex fontSize="sm" gap={3} justify="space-between" wrap="wrap">
        <Text fontWeight="semibold">{percent(scored)} of the data scored</Text>
        <Text>{timeLeft(view.state, totals)}</Text>
      </Flex>
      <Bar
        label="Data scored"
        now={scored}
        parts={[
          { share: scored, colour: colour("scored") },
          { share: failed, colour: colour("failed") },
        ]}
      />
      <Facts
        facts={[
          ["Rows per second", short(totals.rows_per_second)],
          ["Time spent on scoring", duration(totals.seconds)],
          ["Data", `${bytes(totals.bytes_done)} of ${bytes(totals.bytes)}`],
          ["Blocks", `${count(totals.blocks)} of ${count(totals.blocks_total)}`],
          ["Highest drift (PSI)", drift(view)],
        ]}
        wide={150}
      />
      <Text color="fg.muted" fontSize="sm">
        {account(view)}
      </Text>
      {view.estimate ? (
        <Text color="fg.muted" fontSize="sm">
          {estimated(view)}
        </Text>
      ) : null}
    </Stack>
  );
}
