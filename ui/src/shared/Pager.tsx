import { many } from "../format";
import { Button, Flex, Text } from "../kit";

interface Props {
  /** From 1. */
  page: number;
  total: number;
  size: number;
  what: string;
  onPage: (page: number) => void;
}

/** Moves through the pages of a table. */
export function Pager({ page, total, size, what, onPage }: Props) {
  const pages = Math.max(1, Math.ceil(total / size));
  return (
    <Flex align="center" as="nav" aria-label={`Pages of ${what}s`} gap={2} justify="flex-end" mt={3} wrap="wrap">
      <Text aria-live="polite" color="fg.muted" fontSize="sm" mr="auto">
        {many(total, what)}
        {pages > 1 ? `, page ${page} of ${pages}` : ""}
      </Text>
      {pages > 1 ? (
        <>
          <Button disabled={page <= 1} onClick={() => onPage(page - 1)} size="xs" variant="outline">
            Previous
          </Button>
          <Button disabled={page >= pages} onClick={() => onPage(page + 1)} size="xs" variant="outline">
            Next
          </Button>
        </>
      ) : null}
    </Flex>
  );
}
