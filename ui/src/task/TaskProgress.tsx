import type { TaskView } from "../api/types";
import { bytes, count, duration, percent, readable, short, time } from "../format";
import { Box, Stack, Table, Text } from "../kit";
import { Bar } from "../shared/Bar";
import { Cell, DataTable } from "../shared/DataTable";
import { Facts } from "../shared/Facts";
import { Section } from "../shared/Section";
import { useDark } from "../shared/useDark";
import { LOOKS } from "../run/states";
import { timeLeft } from "../run/timeLeft";

const SLOWEST = [
  { key: "partition", title: "Partition" },
  { key: "block", title: "Block", numeric: true },
  { key: "rows", title: "Rows", numeric: true },
  { key: "seconds", title: "Time", numeric: true },
  { key: "speed", title: "Rows/s", numeric: true },
];

/** Blocks, speed and memory of a scoring task. */
export function TaskProgress({ view }: { view: TaskView }) {
  const dark = useDark();
  const { totals, progress } = view;
  if (!totals) return null;
  const share = totals.blocks_total ? Math.min(totals.blocks / totals.blocks_total, 1) : 0;
  const colour = dark ? LOOKS.scored.dark : LOOKS.scored.light;
  return (
    <Section
      aside={<Text fontSize="sm">{timeLeft(view.state, totals)}</Text>}
      title={`${count(totals.blocks)} of ${count(totals.blocks_total)} blocks (${percent(share)})`}
    >
      <Stack gap={4}>
        <Bar label="Blocks scored" now={share} parts={[{ share, colour }]} />
        <Facts
          facts={[
            ["Rows read", count(totals.rows_read)],
            ["Scored", count(totals.rows_scored)],
            ["Skipped by the recipe", count(totals.rows_skipped)],
            ["In quarantine", count(totals.rows_quarantined)],
            ["Rows per second", short(totals.rows_per_second)],
            ["Time spent on scoring", duration(totals.seconds)],
            ["Memory", bytes(progress?.memory ?? null)],
            ["Try", `${view.try_number} of ${view.max_tries}`],
            ["Worker", view.worker ?? "–"],
          ]}
          wide={140}
        />
        {progress ? (
          <>
            <Facts
              facts={[
                ["Engine", progress.engine],
                ["Model", progress.model],
                ["This try began", time(progress.started)],
                ["Data", progress.dataset],
                ["Scores go to", progress.output],
              ]}
              wide={220}
            />
            {progress.slowest.length > 0 ? (
              <Box>
                <Text fontSize="sm" fontWeight="semibold" mb={2}>
                  Slowest blocks
                </Text>
                <DataTable caption="Slowest blocks" columns={SLOWEST}>
                  {progress.slowest.map((block) => (
                    <Table.Row bg="transparent" key={`${block.partition} ${block.block}`}>
                      <Cell>{readable(block.partition)}</Cell>
                      <Cell numeric>{count(block.block)}</Cell>
                      <Cell numeric>{count(block.rows)}</Cell>
                      <Cell numeric>{duration(block.seconds)}</Cell>
                      <Cell numeric>{short(block.seconds > 0 ? block.rows / block.seconds : null)}</Cell>
                    </Table.Row>
                  ))}
                </DataTable>
              </Box>
            ) : null}
          </>
        ) : (
          <Text color="fg.muted" fontSize="sm">
            The task has not said yet how it works.
          </Text>
        )}
      </Stack>
    </Section>
  );
}
