import { routes } from "../api/base";
import type { QuarantineView, RunView } from "../api/types";
import { useLive } from "../api/useLive";
import { count, list, many, readable } from "../format";
import { Alert, Box, Code, Stack, Table, Text } from "../kit";
import { Cell, DataTable, Narrow } from "../shared/DataTable";
import { Incomplete, Loaded } from "../shared/Notice";
import { Section } from "../shared/Section";
import { quarantineAdvice } from "./remedies";
import { committed, doublings, paceOfFiles } from "./polling";

/** Why rows could not be scored, and some of them. */
export function Quarantine({ view }: { view: RunView }) {
  const { partitions } = view;
  const ready = committed(partitions).filter((index) => (partitions.rows_quarantined[index] ?? 0) > 0).length;
  const url = ready > 0 ? routes.quarantine(view.dag_id, view.run_id) : null;
  const live = useLive<QuarantineView>(url, paceOfFiles, doublings(view, ready));
  return (
    <Section title={`Quarantine: ${many(view.totals.rows_quarantined, "row")} could not be scored`}>
      <Text fontSize="sm" mb={3}>
        {quarantineAdvice(view)}
      </Text>
      {url === null ? (
        <Text fontSize="sm">These rows appear once their partition is committed.</Text>
      ) : (
        <Loaded live={live}>{(found) => <Found found={found} />}</Loaded>
      )}
    </Section>
  );
}

function Found({ found }: { found: QuarantineView }) {
  return (
    <Stack gap={4}>
      {found.incomplete ? <Incomplete /> : null}
      {found.problem === null ? null : (
        <Alert.Root status="warning">
          <Alert.Indicator />
          <Alert.Title>{found.problem}</Alert.Title>
        </Alert.Root>
      )}
      <Stack as="ul" gap={3} listStyleType="none" m={0} p={0}>
        {found.reasons.map((reason) => (
          <Box as="li" key={`${reason.error} ${reason.message}`} overflowWrap="anywhere">
            <Text>
              <Text as="span" fontWeight="semibold">
                {many(reason.rows, "row")}: {reason.error}.
              </Text>{" "}
              {reason.message}
            </Text>
            <Text color="fg.muted" fontSize="sm">
              in {list(reason.partitions.map(readable), 8)}
            </Text>
          </Box>
        ))}
      </Stack>
      {found.examples.length > 0 ? <Examples examples={found.examples} /> : null}
      {found.looked_at < found.rows ? (
        <Text color="fg.muted" fontSize="sm">
          Reasons of {count(found.looked_at)} of {many(found.rows, "row")}.
        </Text>
      ) : null}
    </Stack>
  );
}

const COLUMNS = [
  { key: "partition", title: "Partition" },
  { key: "row", title: "Row" },
  { key: "message", title: "Why" },
  { key: "raw", title: "Values" },
];

function Examples({ examples }: { examples: QuarantineView["examples"] }) {
  return (
    <Box>
      <Text fontWeight="semibold" mb={2}>
        Examples
      </Text>
      <DataTable caption="Examples of quarantined rows" columns={COLUMNS}>
        {examples.map((row, index) => (
          // Two stages may have put the same row of a file in quarantine.
          <Table.Row bg="transparent" key={`${index} ${row.file} ${row.block} ${row.row}`}>
            <Cell>
              <Narrow>
                <span title={row.file}>{readable(row.partition)}</span>
              </Narrow>
            </Cell>
            <Cell>
              block {count(row.block)}, row {count(row.row)}
            </Cell>
            <Cell>
              <Box maxW={96} minW={52} whiteSpace="normal">
                {row.message}
              </Box>
            </Cell>
            <Cell>
              {Object.entries(row.raw).map(([column, value]) => (
                <Code key={column} mr={1.5} size="sm">
                  {column}={value ?? "(missing)"}
                </Code>
              ))}
            </Cell>
          </Table.Row>
        ))}
      </DataTable>
    </Box>
  );
}
