import { useState } from "react";

import { pages } from "../api/base";
import type { DatasetHistory } from "../api/types";
import { count, distinct, list, many, readable } from "../format";
import { Badge, Box, Flex, NativeSelect, Table, Text } from "../kit";
import { Cell, DataTable, Narrow } from "../shared/DataTable";
import { AirflowLink } from "../shared/links";
import { Pager } from "../shared/Pager";
import { Section } from "../shared/Section";
import { VersionCell, VersionSign } from "./VersionCell";

const PAGE = 50;
type Freshness = DatasetHistory["latest"][number]["state"];
const STATES: Freshness[] = ["missing", "stale", "fresh"];
const COLOURS: Record<Freshness, string> = { fresh: "success", stale: "warning", missing: "failed" };
const WORDS: Record<Freshness, string> = {
  fresh: "scored with the newest version",
  stale: "scored with another version",
  missing: "not scored",
};

export function summary(history: DatasetHistory): string {
  const tally = { fresh: 0, stale: 0, missing: 0 };
  for (const { state } of history.latest) tally[state] += 1;
  const parts = STATES.toReversed().filter((state) => tally[state] > 0);
  return `${many(history.partitions.length, "partition")}: ${parts.map((state) => `${count(tally[state])} ${WORDS[state]}`).join(", ")}`;
}

/** Partitions x runs. A cell tells with which version the run scored the partition. */
export function DatasetGrid({ history }: { history: DatasetHistory }) {
  const [page, setPage] = useState(1);
  const [state, setState] = useState<Freshness | "">("");
  const found = [...history.partitions.keys()].filter((row) => state === "" || history.latest[row]?.state === state);
  const when = distinct(history.runs.map((run) => run.started));
  const columns = [
    { key: "partition", title: "Partition" },
    { key: "latest", title: "Now" },
    ...history.runs.map((run) => ({ key: `${run.dag_id} ${run.run_id}`, title: when(run.started) })),
  ];
  return (
    <Section
      aside={
        <NativeSelect.Root size="sm" width={64}>
          <NativeSelect.Field
            aria-label="Show"
            onChange={(event) => {
              setState(event.target.value as Freshness | "");
              setPage(1);
            }}
            value={state}
          >
            <option value="">all partitions</option>
            {STATES.map((one) => (
              <option key={one} value={one}>
                {WORDS[one]}
              </option>
            ))}
          </NativeSelect.Field>
          <NativeSelect.Indicator />
        </NativeSelect.Root>
      }
      title={summary(history)}
    >
      <Text color="fg.muted" fontSize="sm" mb={2}>
        Runs of {list(history.dag_ids)}, oldest first. The newest version is the one that the newest run used. This page
        compares versions of the model, not data: a file that has changed is noticed by the next run.
      </Text>
      <Flex as="ul" columnGap={4} fontSize="sm" listStyleType="none" m={0} mb={2} p={0} wrap="wrap">
        {history.versions.map((version, index) => (
          <Flex align="center" as="li" gap={1.5} key={version}>
            <VersionSign index={index} /> {version}
          </Flex>
        ))}
        <Flex align="center" as="li" gap={1.5}>
          <VersionSign index={-2} /> failed
        </Flex>
      </Flex>
      <DataTable caption="Partitions and runs" columns={columns}>
        {found.slice((page - 1) * PAGE, page * PAGE).map((row) => (
          <Row history={history} key={history.partitions[row]} row={row} when={when} />
        ))}
      </DataTable>
      <Pager onPage={setPage} page={page} size={PAGE} total={found.length} what="partition" />
    </Section>
  );
}

function Row({ history, row, when }: { history: DatasetHistory; row: number; when: (iso: string | null) => string }) {
  const latest = history.latest[row];
  const partition = readable(history.partitions[row] ?? "");
  return (
    <Table.Row bg="transparent">
      <Cell strong>
        <Narrow>{partition}</Narrow>
      </Cell>
      <Cell>
        {latest ? (
          <Box>
            <Badge colorPalette={COLOURS[latest.state]}>{WORDS[latest.state]}</Badge>{" "}
            <Text as="span" color="fg.muted" fontSize="xs">
              {latest.why}
            </Text>
          </Box>
        ) : null}
      </Cell>
      {history.runs.map((run, column) => {
        const cell = history.cells[row]?.[column] ?? -1;
        return (
          <Cell key={`${run.dag_id} ${run.run_id}`}>
            {cell === -1 ? null : (
              <AirflowLink
                label={`${cell < 0 ? "✕" : cell + 1}: ${partition}, ${when(run.started)}, ${cell < 0 ? "failed" : `scored with ${history.versions[cell] ?? "?"}`}`}
                to={pages.scoring(run.dag_id, run.run_id)}
              >
                <VersionCell index={cell} name={history.versions[cell] ?? "failed"} />
              </AirflowLink>
            )}
          </Cell>
        );
      })}
    </Table.Row>
  );
}
