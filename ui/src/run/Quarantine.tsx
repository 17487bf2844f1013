import { routes } from "../api/base";
import type { QuarantineView, RunView } from "../api/types";
import { useLive } from "../api/useLive";
import { count, list, many } from "../format";
import { Alert, Box, Code, Stack, Table, Text } from "../kit";
import { Cell, DataTable } from "../shared/DataTable";
import { Loaded } from "../shared/Notice";
import { Section } from "../shared/Section";
import { isOver } from "./headline";

/** Why rows could not be scored, and some of them. Reading files costs the server: it is done twice, now and at the end. */
export function Quarantine({ view }: { view: RunView }) {
  const url = routes.quarantine(view.dag_id, view.run_id);
  const live = useLive<QuarantineView>(url, () => true, isOver(view) ? view.totals.rows_quarantined : -1);
  return (
    <Section title={`Quarantine: ${many(view.totals.rows_quarantined, "row")} could not be scored`}>
      <Loaded live={live}>{(found) => <Found found={found} />}</Loaded>
    </Section>
  );
}

function Found({ found }: { found: QuarantineView }) {
  return (
    <Stack gap={4}>
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
              in {list(reason.partitions, 8)}
            </Text>
          </Box>
        ))}
      </Stack>
      {found.examples.length > 0 ? <Examples examples={found.examples} /> : null}
      {found.files_read < found.files ? (
        <Text color="fg.muted" fontSize="sm">
          Read from {count(found.files_read)} of {many(found.files, "file")}: the counts above are of those.
        </Text>
      ) : null}
    </Stack>
  );
}

const COLUMNS = [
  { key: "partition", title: "Partition" },
  { key: "row", title: "Row", numeric: true },
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
        {examples.map((row) => (
          <Table.Row bg="transparent" key={`${row.file} ${row.row}`}>
            <Cell>
              <span title={row.file}>{row.partition}</span>
            </Cell>
            <Cell numeric>{count(row.row)}</Cell>
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
