import { pages } from "../api/base";
import type { ModelHistory, ModelVersion } from "../api/types";
import { count, distinct, list, readable, time } from "../format";
import { Badge, Box, Flex, Table } from "../kit";
import { metricsText } from "../run/ModelSection";
import { Cell, DataTable } from "../shared/DataTable";
import { AirflowLink } from "../shared/links";
import { MoveAlias } from "./MoveAlias";

const COLUMNS = [
  { key: "compare", title: "Compare" },
  { key: "version", title: "Version" },
  { key: "created", title: "Created" },
  { key: "metrics", title: "Metrics" },
  { key: "trained", title: "Trained on" },
  { key: "rows", title: "Rows", numeric: true },
  { key: "runs", title: "Runs that used it" },
  { key: "promote", title: "Move an alias" },
];

interface Props {
  model: ModelHistory;
  /** The two that are compared. */
  chosen: string[];
  onChoose: (version: string) => void;
  refresh: () => void;
}

export function Versions({ model, chosen, onChoose, refresh }: Props) {
  return (
    <DataTable caption="Versions" columns={COLUMNS}>
      {model.versions.map((version) => (
        <Row
          chosen={chosen.includes(version.version)}
          key={version.version}
          model={model}
          onChoose={onChoose}
          refresh={refresh}
          version={version}
        />
      ))}
    </DataTable>
  );
}

type RowProps = Omit<Props, "chosen"> & { version: ModelVersion; chosen: boolean };

function Row({ model, version, chosen, onChoose, refresh }: RowProps) {
  const when = distinct(version.runs.map((run) => run.started));
  const movable = model.may.promote ? model.aliases.filter((alias) => alias.version !== version.version) : [];
  return (
    <Table.Row bg="transparent">
      <Cell>
        <input
          aria-label={`Compare ${version.version}`}
          checked={chosen}
          onChange={() => onChoose(version.version)}
          type="checkbox"
        />
      </Cell>
      <Cell strong>
        <Flex align="center" gap={1}>
          {version.version}
          {version.aliases.map((alias) => (
            <Badge colorPalette="brand" key={alias}>
              @{alias}
            </Badge>
          ))}
        </Flex>
      </Cell>
      <Cell>{time(version.created)}</Cell>
      <Cell>
        <Box minW={36} whiteSpace="normal">
          {metricsText(version.metrics)}
          {version.metrics_on ? ` on ${version.metrics_on}` : ""}
        </Box>
      </Cell>
      <Cell>
        <Box minW={28} whiteSpace="normal">
          {list(version.trained_on.map(readable), 3) || "–"}
        </Box>
      </Cell>
      <Cell numeric>{count(version.rows_trained)}</Cell>
      <Cell>
        {version.runs.slice(0, 3).map((run) => (
          <Box as="span" key={`${run.dag_id} ${run.run_id}`} mr={2}>
            <AirflowLink
              label={`${when(run.started)}: run ${run.run_id} of ${run.dag_id}`}
              to={pages.scoring(run.dag_id, run.run_id)}
            >
              {when(run.started)}
            </AirflowLink>
          </Box>
        ))}
        {version.runs.length > 3 ? `and ${count(version.runs.length - 3)} more` : ""}
      </Cell>
      <Cell>
        <Flex gap={2}>
          {movable.map(({ alias }) => (
            <MoveAlias alias={alias} key={alias} model={model} refresh={refresh} version={version.version} />
          ))}
        </Flex>
      </Cell>
    </Table.Row>
  );
}
