import type { ReactNode } from "react";

import { Box, Button, Table } from "../kit";

export interface Column<K extends string> {
  key: K;
  title: string;
  numeric?: boolean;
  sortable?: boolean;
}

interface Props<K extends string> {
  caption: string;
  columns: Column<K>[];
  sorting?: { by: string; descending: boolean };
  onSort?: (by: K) => void;
  children: ReactNode;
}

/** A table that scrolls sideways by itself where it is wider than the page. */
export function DataTable<K extends string>({ caption, columns, sorting, onSort, children }: Props<K>) {
  const order = (key: string) =>
    sorting?.by !== key ? undefined : sorting.descending ? ("descending" as const) : ("ascending" as const);
  return (
    <Box aria-label={caption} maxW="100%" overflowX="auto" role="group" tabIndex={0}>
      <Table.Root aria-label={caption} size="sm">
        <Table.Header>
          <Table.Row bg="transparent">
            {columns.map(({ key, title, numeric, sortable }) => (
              <Table.ColumnHeader
                aria-sort={order(key)}
                color="fg"
                fontSize="xs"
                fontWeight="semibold"
                key={key}
                px={2}
                textAlign={numeric ? "end" : "start"}
                whiteSpace="nowrap"
              >
                {sortable && onSort ? (
                  <Button
                    color="inherit"
                    fontWeight="semibold"
                    h={6}
                    onClick={() => onSort(key)}
                    px={0}
                    size="xs"
                    variant="plain"
                  >
                    {title}
                    <span aria-hidden="true">{sorting?.by === key ? (sorting.descending ? "▼" : "▲") : ""}</span>
                  </Button>
                ) : (
                  title
                )}
              </Table.ColumnHeader>
            ))}
          </Table.Row>
        </Table.Header>
        <Table.Body>{children}</Table.Body>
      </Table.Root>
    </Box>
  );
}

/** A cell; numbers stand at its right side, in digits of one width. */
export function Cell({
  children,
  numeric = false,
  strong = false,
}: {
  children: ReactNode;
  numeric?: boolean;
  strong?: boolean;
}) {
  return (
    <Table.Cell
      bg="transparent"
      fontVariantNumeric="tabular-nums"
      fontWeight={strong ? "semibold" : undefined}
      px={2}
      textAlign={numeric ? "end" : "start"}
      whiteSpace="nowrap"
    >
      {children}
    </Table.Cell>
  );
}

/** A long name in a cell: on a phone it takes several lines, or else it would fill the table's visible part. */
export function Narrow({ children }: { children: ReactNode }) {
  return (
    <Box
      maxW={{ base: "40vw", md: "none" }}
      minW={{ base: 28, md: "auto" }}
      overflowWrap={{ base: "anywhere", md: "normal" }}
      whiteSpace={{ base: "normal", md: "nowrap" }}
    >
      {children}
    </Box>
  );
}
