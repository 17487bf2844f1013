import { pages } from "../api/base";
import type { RunView } from "../api/types";
import { count, measure, readable, short } from "../format";
import { Box, Button, Flex, Table } from "../kit";
import { Cell, type Column as TableColumn, DataTable, Narrow } from "../shared/DataTable";
import { AirflowLink } from "../shared/links";
import { Sign, signOf } from "./Legend";
import type { Column, Sorting } from "./partitionRows";
import { scoringStages } from "./identity";
import { LOOKS, shownAs } from "./states";

type Key = Column | "stage" | "worker" | "log";

const COLUMNS: TableColumn<Key>[] = [
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

/** Where several stages score, the second column tells which one. */
function columnsOf(several: boolean): TableColumn<Key>[] {
  return several ? COLUMNS.toSpliced(1, 0, { key: "stage", title: "Task" }) : COLUMNS;
}

interface RowProps {
  view: RunView;
  index: number;
  several: boolean;
  onOpen: (index: number) => void;
}

function Row({ view, index, several, onOpen }: RowProps) {
  const { partitions: all } = view;
  const state = shownAs(all, index);
  const task = all.tasks[all.task[index] ?? -1];
  const quarantined = all.rows_quarantined[index] ?? 0;
  const limit = view.totals.drift_limit;
  const drift = all.drift[index] ?? null;
  const key = readable(all.key[index] ?? "");
  return (
    <Table.Row bg="transparent">
      <Cell>
        <Narrow>
          <Button
            h="auto"
            minH={6}
            onClick={() => onOpen(index)}
            px={0}
            size="sm"
            textAlign="start"
            textDecoration="underline"
            variant="plain"
            whiteSpace="inherit"
          >
            {key}
          </Button>
        </Narrow>
      </Cell>
      {several ? <Cell>{task?.task_id ?? "–"}</Cell> : null}
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
  const several = scoringStages(view.partitions).length > 1;
  const columns = columnsOf(several);
  const sort = (key: Key) => {
    if (key !== "stage" && key !== "worker" && key !== "log") onSort(key);
  };
  return (
    <DataTable caption="Partitions" columns={columns} onSort={sort} sorting={sorting}>
      {rows.length === 0 ? (
        <Table.Row>
          <Table.Cell colSpan={columns.length}>No partition matches.</Table.Cell>
        </Table.Row>
      ) : (
        rows.map((index) => <Row index={index} key={index} onOpen={onOpen} several={several} view={view} />)
      )}
    </DataTable>
  );
}
