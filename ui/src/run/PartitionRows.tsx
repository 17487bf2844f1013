import { pages } from "../api/base";
import type { RunView } from "../api/types";
import { count, measure, short } from "../format";
import { Box, Button, Flex, Table } from "../kit";
import { Cell, type Column as TableColumn, DataTable } from "../shared/DataTable";
import { AirflowLink } from "../shared/links";
import { Sign, signOf } from "./Legend";
import type { Column, Sorting } from "./partitionRows";
import { LOOKS } from "./states";

const COLUMNS: TableColumn<Column | "worker" | "log">[] = [
  { key: "key", title: "Partition", sortable: true },
  { key: "worst", title: "State", sortable: true },
  { key: "rows_read", title: "Rows read", numeric: true, sortable: true },
  { key: "rows_scored", title: "Scored", numeric: true, sortable: true },
  { key: "rows_skipped", title: "Skipped", numeric: true, sortable: true },
  { key: "rows_quarantined", title: "Quarantined", numeric: true, sortable: true },
  { key: "blocks", title: "Blocks", numeric: true, sortable: true },
  { key: "rows_per_second", title: "Rows/s", numeric: true, sortable: true },
  { key: "drift", title: "Drift", numeric: true, sortable: true },
  { key: "tries", title: "Tries", numeric: true, sortable: true },
  { key: "worker", title: "Worker" },
  { key: "log", title: "Log" },
];

function Row({ view, index, onOpen }: { view: RunView; index: number; onOpen: (index: number) => void }) {
  const { partitions: all } = view;
  const state = all.state[index] ?? "waiting";
  const task = all.tasks[all.task[index] ?? -1];
  const quarantined = all.rows_quarantined[index] ?? 0;
  const limit = view.totals.drift_limit;
  const drift = all.drift[index] ?? null;
  const key = all.key[index] ?? "";
  return (
    <Table.Row bg="transparent">
      <Cell>
        <Button h={6} onClick={() => onOpen(index)} px={0} size="sm" textDecoration="underline" variant="plain">
          {key}
        </Button>
      </Cell>
      <Cell>
        <Flex align="center" gap={2}>
          <Sign picture={signOf(state)} />
          {LOOKS[state].label}
        </Flex>
      </Cell>
      <Cell numeric>{count(all.rows_read[index] ?? null)}</Cell>
      <Cell numeric>{count(all.rows_scored[index] ?? null)}</Cell>
      <Cell numeric>{count(all.rows_skipped[index] ?? null)}</Cell>
      <Cell numeric strong={quarantined > 0}>
        {count(quarantined)}
      </Cell>
      <Cell numeric>
        {count(all.blocks[index] ?? null)} of {count(all.blocks_total[index] ?? null)}
      </Cell>
      <Cell numeric>{short(all.rows_per_second[index] ?? null)}</Cell>
      <Cell numeric strong={limit !== null && (drift ?? 0) > limit}>
        {measure(drift)}
      </Cell>
      <Cell numeric>{task ? `${task.try_number} of ${task.max_tries}` : ""}</Cell>
      <Cell>
        <Box as="span" color="fg.muted">
          {task?.worker ?? "–"}
        </Box>
      </Cell>
      <Cell>
        {task ? (
          <AirflowLink label={`Log of ${key}`} to={pages.log(view.dag_id, view.run_id, task.task_id, task.map_index)}>
            log
          </AirflowLink>
        ) : null}
      </Cell>
    </Table.Row>
  );
}

interface Props {
  view: RunView;
  rows: number[];
  sorting: Sorting;
  onSort: (by: Column) => void;
  onOpen: (index: number) => void;
}

export function PartitionRows({ view, rows, sorting, onSort, onOpen }: Props) {
  const sort = (key: (typeof COLUMNS)[number]["key"]) => {
    if (key !== "worker" && key !== "log") onSort(key);
  };
  return (
    <DataTable caption="Partitions" columns={COLUMNS} onSort={sort} sorting={sorting}>
      {rows.length === 0 ? (
        <Table.Row>
          <Table.Cell colSpan={COLUMNS.length}>No partition matches.</Table.Cell>
        </Table.Row>
      ) : (
        rows.map((index) => <Row index={index} key={index} onOpen={onOpen} view={view} />)
      )}
    </DataTable>
  );
}
