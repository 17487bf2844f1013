import type { ModelVersion } from "../api/types";
import { Box, Table } from "../kit";
import { Cell, DataTable } from "../shared/DataTable";
import { compare } from "./compare";

/** Two versions side by side; what differs stands out. */
export function CompareVersions({ left, right }: { left: ModelVersion; right: ModelVersion }) {
  const columns = [
    { key: "what", title: "What" },
    { key: "left", title: left.version },
    { key: "right", title: right.version },
    { key: "difference", title: "Difference", numeric: true },
  ];
  return (
    <DataTable caption={`${left.version} and ${right.version}`} columns={columns}>
      {compare(left, right).map((line) => {
        const differs = line.left !== line.right;
        return (
          <Table.Row bg={differs ? "brand.subtle" : "transparent"} key={line.what}>
            <Cell>{line.what}</Cell>
            <Cell strong={differs}>
              <Box minW={32} whiteSpace="normal">
                {line.left}
              </Box>
            </Cell>
            <Cell strong={differs}>
              <Box minW={32} whiteSpace="normal">
                {line.right}
              </Box>
            </Cell>
            <Cell numeric>{line.difference || (differs ? "differs" : "")}</Cell>
          </Table.Row>
        );
      })}
    </DataTable>
  );
}
