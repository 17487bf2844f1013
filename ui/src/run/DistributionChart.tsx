import { Bar, SERIES, ink } from "../chart/chart";
import type { ProfileColumn } from "../api/types";
import { percent } from "../format";
import { Box, Table, Text } from "../kit";
import { Cell, DataTable } from "../shared/DataTable";
import { useDark } from "../shared/useDark";

interface Props {
  column: ProfileColumn;
  /** Of what stands beside training. */
  name: string;
}

const COLUMNS = [
  { key: "bin", title: "Value" },
  { key: "training", title: "Training", numeric: true },
  { key: "now", title: "Scored", numeric: true },
];

/** Shares of values: of the training data beside what was scored. */
export function DistributionChart({ column, name }: Props) {
  const dark = useDark();
  const { text, grid, training } = ink(dark);
  const data = {
    labels: column.labels,
    datasets: [
      { label: "training", data: column.training, backgroundColor: training },
      { label: name, data: column.scored, backgroundColor: SERIES[0] },
    ],
  };
  const axis = { grid: { color: grid }, ticks: { color: text } };
  return (
    <Box minW={0}>
      <Box height={64} position="relative">
        <Bar
          aria-label={`Shares of the values of ${column.column}: training beside ${name}. The same numbers are in the table below.`}
          data={data}
          options={{
            animation: false,
            maintainAspectRatio: false,
            plugins: {
              legend: { labels: { color: text } },
              tooltip: {
                callbacks: { label: (item) => `${item.dataset.label ?? ""}: ${percent(item.parsed.y ?? 0)}` },
              },
            },
            scales: {
              x: { ...axis, grid: { display: false } },
              y: { ...axis, ticks: { color: text, callback: (value) => percent(Number(value)) } },
            },
          }}
          role="img"
        />
      </Box>
      <details>
        <Text as="summary" cursor="pointer" fontSize="sm" mt={2}>
          As a table
        </Text>
        <DataTable caption={`Shares of the values of ${column.column}`} columns={COLUMNS}>
          {column.labels.map((label, bin) => (
            <Table.Row bg="transparent" key={label}>
              <Cell>{label}</Cell>
              <Cell numeric>{percent(column.training[bin] ?? 0)}</Cell>
              <Cell numeric>{percent(column.scored[bin] ?? 0)}</Cell>
            </Table.Row>
          ))}
        </DataTable>
      </details>
    </Box>
  );
}
