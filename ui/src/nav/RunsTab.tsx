import { pages, routes } from "../api/base";
import type { RunRow, RunsView } from "../api/types";
import { useLive } from "../api/useLive";
import { count, duration, measure, short, time } from "../format";
import { Flex, NativeSelect, Stack, Table, Text, useSearchParams } from "../kit";
import { Cell, DataTable } from "../shared/DataTable";
import { AirflowLink } from "../shared/links";
import { Loaded, Nothing } from "../shared/Notice";
import { Pager } from "../shared/Pager";
import { StateBadge } from "../shared/StateBadge";
import { isOver } from "../run/states";

const COLUMNS = [
  { key: "run", title: "Run" },
  { key: "state", title: "State" },
  { key: "started", title: "Started" },
  { key: "took", title: "Took", numeric: true },
  { key: "model", title: "Model" },
  { key: "partitions", title: "Partitions scored", numeric: true },
  { key: "rows", title: "Rows", numeric: true },
  { key: "speed", title: "Rows/s", numeric: true },
  { key: "skipped", title: "Skipped", numeric: true },
  { key: "quarantined", title: "Quarantined", numeric: true },
  { key: "drift", title: "Drift", numeric: true },
];

const STATES = ["success", "failed", "running", "queued"];

function Row({ run, at }: { run: RunRow; at: number }) {
  const end = run.ended === null ? at : Date.parse(run.ended);
  return (
    <Table.Row bg="transparent">
      <Cell>
        <AirflowLink to={pages.scoring(run.dag_id, run.run_id)}>{run.dag_id}</AirflowLink>
        <Text color="fg.muted" fontSize="xs">
          {run.run_id}
        </Text>
      </Cell>
      <Cell>
        <StateBadge state={run.state} />
      </Cell>
      <Cell>{time(run.started)}</Cell>
      <Cell numeric>{duration(run.started === null ? null : Math.max(0, (end - Date.parse(run.started)) / 1000))}</Cell>
      <Cell>{run.model ?? "–"}</Cell>
      <Cell numeric>{count(run.partitions)}</Cell>
      <Cell numeric>{count(run.rows)}</Cell>
      <Cell numeric>{short(run.rows_per_second)}</Cell>
      <Cell numeric>{count(run.rows_skipped)}</Cell>
      <Cell numeric strong={(run.rows_quarantined ?? 0) > 0}>
        {count(run.rows_quarantined)}
      </Cell>
      <Cell numeric>{measure(run.drift)}</Cell>
    </Table.Row>
  );
}

interface ChoiceProps {
  label: string;
  name: string;
  values: string[];
}

/** Scoring runs, newest first; filters and page stand in the address. */
export function RunsTab() {
  const [query, setQuery] = useSearchParams();
  const asked = new URLSearchParams();
  for (const name of ["dag_id", "state", "page"]) {
    const value = query.get(name);
    if (value) asked.set(name, value);
  }
  const live = useLive<RunsView>(routes.runs(asked), (view) =>
    view.runs.every((run) => isOver(run)) ? "seldom" : "soon",
  );
  const change = (name: string, value: string) => {
    const next = new URLSearchParams(query);
    if (name !== "page") next.delete("page");
    if (value) next.set(name, value);
    else next.delete(name);
    setQuery(next);
  };
  const choice = ({ label, name, values }: ChoiceProps) => (
    <NativeSelect.Root flex="0 1 220px" size="sm">
      <NativeSelect.Field
        aria-label={label}
        onChange={(event) => change(name, event.target.value)}
        value={query.get(name) ?? ""}
      >
        <option value="">{label}: all</option>
        {values.map((value) => (
          <option key={value} value={value}>
            {value}
          </option>
        ))}
      </NativeSelect.Field>
      <NativeSelect.Indicator />
    </NativeSelect.Root>
  );
  const chosenDag = query.get("dag_id");
  const dags = live.data?.dags ?? (chosenDag ? [chosenDag] : []);
  return (
    <Stack gap={3}>
      <Flex gap={2} wrap="wrap">
        {choice({ label: "DAG", name: "dag_id", values: dags })}
        {choice({ label: "State", name: "state", values: STATES })}
      </Flex>
      <Loaded live={live}>
        {(view) =>
          view.runs.length === 0 ? (
            <Nothing title={asked.size ? "No run matches." : "No scoring run yet."}>
              {asked.size ? "Choose other filters." : "Trigger a DAG with scoring tasks; its runs appear here."}
            </Nothing>
          ) : (
            <>
              <DataTable caption="Scoring runs" columns={COLUMNS}>
                {view.runs.map((run) => (
                  <Row at={live.at} key={`${run.dag_id} ${run.run_id}`} run={run} />
                ))}
              </DataTable>
              <Pager
                onPage={(page) => change("page", String(page))}
                page={view.page}
                size={view.page_size}
                total={view.total}
                what="run"
              />
            </>
          )
        }
      </Loaded>
    </Stack>
  );
}
