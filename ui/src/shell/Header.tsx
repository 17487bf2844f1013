import { onServer, pages } from "../api/base";
import { Flex, Link, Text } from "../kit";

/** Where the reader is, and the way back to Airflow. */
export function Header({ dagId, runId }: { dagId: string | undefined; runId: string | undefined }) {
  const run = dagId !== undefined && runId !== undefined ? pages.run(dagId, runId) : "/";
  return (
    <Flex
      align="center"
      as="header"
      bg="bg.panel"
      borderBottomWidth={1}
      borderColor="border"
      gap={4}
      px={4}
      py={2}
      wrap="wrap"
    >
      <Text flex="1 1 220px" fontWeight="semibold" minW={0} overflowWrap="anywhere">
        {dagId ?? "Batch scoring"}
        {runId === undefined ? null : (
          <Text as="span" color="fg.muted" display="block" fontSize="xs" fontWeight="normal">
            {runId}
          </Text>
        )}
      </Text>
      <Link fontSize="sm" href={onServer(run)} variant="underline">
        {dagId === undefined ? "Back to Airflow" : "Back to Airflow's page of this run"}
      </Link>
    </Flex>
  );
}
