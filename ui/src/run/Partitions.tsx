import { useMemo, useState } from "react";

import type { RunView } from "../api/types";
import { Flex, Input, NativeSelect, Stack } from "../kit";
import { Pager } from "../shared/Pager";
import { Section } from "../shared/Section";
import { Legend } from "./Legend";
import { PartitionGrid } from "./PartitionGrid";
import { PartitionRows } from "./PartitionRows";
import { type Filter, type Sorting, arrange } from "./partitionRows";
import { LOOKS, ORDER, type Shown } from "./states";

const PAGE = 25;

interface Props {
  view: RunView;
  chosen: number | null;
  onOpen: (index: number) => void;
}

/** All partitions: as a grid to see at once, and as a table to search. */
export function Partitions({ view, chosen, onOpen }: Props) {
  const { partitions } = view;
  const [filter, setFilter] = useState<Filter>({ text: "", state: "" });
  const [sorting, setSorting] = useState<Sorting>({ by: "worst", descending: false });
  const [page, setPage] = useState(1);
  const found = useMemo(() => arrange(partitions, filter, sorting), [partitions, filter, sorting]);
  const shown = Math.min(page, Math.max(1, Math.ceil(found.length / PAGE)));
  const narrow = (change: Partial<Filter>) => {
    setFilter({ ...filter, ...change });
    setPage(1);
  };

  return (
    <Section title="Partitions">
      <Legend partitions={partitions} />
      <PartitionGrid chosen={chosen} onOpen={onOpen} partitions={partitions} />
      <Stack gap={3} mt={3}>
        <Flex gap={2} wrap="wrap">
          <Input
            aria-label="Find partitions"
            flex="1 1 160px"
            maxW={80}
            onChange={(event) => narrow({ text: event.target.value })}
            placeholder="Find, such as year=2009"
            size="sm"
            type="search"
            value={filter.text}
          />
          <NativeSelect.Root flex="0 1 170px" size="sm">
            <NativeSelect.Field
              aria-label="State"
              onChange={(event) => narrow({ state: event.target.value as Shown | "" })}
              value={filter.state}
            >
              <option value="">all states</option>
              {ORDER.map((state) => (
                <option key={state} value={state}>
                  {LOOKS[state].label}
                </option>
              ))}
            </NativeSelect.Field>
            <NativeSelect.Indicator />
          </NativeSelect.Root>
        </Flex>
        <PartitionRows
          onOpen={onOpen}
          onSort={(by) => setSorting({ by, descending: sorting.by === by ? !sorting.descending : by !== "key" })}
          rows={found.slice((shown - 1) * PAGE, shown * PAGE)}
          sorting={sorting}
          view={view}
        />
      </Stack>
      <Pager onPage={setPage} page={shown} size={PAGE} total={found.length} what="partition" />
    </Section>
  );
}
