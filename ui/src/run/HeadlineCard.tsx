import { rerun } from "../api/actions";
import type { RunView } from "../api/types";
import { list, many } from "../format";
import { Box, Button, Flex, Text } from "../kit";
import { ActionButton } from "../shared/ActionButton";
import { HeadlineBox } from "../shared/HeadlineBox";
import { type Tone, headline } from "./headline";
import { nameOf } from "./identity";
import { type Remedy, countTasks } from "./remedies";

const PALETTE: Record<Tone, string> = { success: "success", failed: "failed", running: "running", warning: "warning" };
const MOST_MESSAGES = 3;

interface NextProps {
  view: RunView;
  next: Remedy;
  prominent: boolean;
  refresh: () => void;
}

function Next({ view, next, prominent, refresh }: NextProps) {
  const tasks = countTasks(view, next.tasks);
  const names = [...new Set(next.tasks.map((task) => task.task_id))];
  return (
    <ActionButton
      act={() => rerun(view.dag_id, view.run_id, next.tasks, next.how)}
      label={next.label}
      onDone={refresh}
      prominent={prominent}
      title={`${next.label}?`}
    >
      <Text>
        Airflow clears {many(tasks, "task")} ({list(names)}) and what comes after {tasks === 1 ? "it" : "them"}, and
        runs all of that again in this run.
      </Text>
      <Text>{next.effect}</Text>
    </ActionButton>
  );
}

/** What happened, why, and what to do: the part that is enough for most readers. */
export function HeadlineCard(props: { view: RunView; onOpen: (index: number) => void; refresh: () => void }) {
  const { view, onOpen, refresh } = props;
  const told = headline(view);
  const failed = view.partitions.state.indexOf("failed");
  return (
    <HeadlineBox colour={PALETTE[told.tone]} sentence={told.sentence} size="lg" state={view.state}>
      {told.why.slice(0, MOST_MESSAGES).map((message) => (
        <Box key={message} bg="bg" borderRadius="sm" overflowWrap="anywhere" px={3} py={2}>
          <Text as="span" fontWeight="semibold">
            Why:{" "}
          </Text>
          {message}
        </Box>
      ))}
      {told.why.length > MOST_MESSAGES ? (
        <Text fontSize="sm">{many(told.why.length - MOST_MESSAGES, "more message")}: see the partitions below.</Text>
      ) : null}
      {told.advice === null ? null : (
        <Text>
          <Text as="span" fontWeight="semibold">
            Next:{" "}
          </Text>
          {told.advice}
        </Text>
      )}
      <Flex gap={2} wrap="wrap">
        {told.actions.map((next, index) => (
          <Next key={next.label} next={next} prominent={index === 0} refresh={refresh} view={view} />
        ))}
        {failed >= 0 ? (
          <Button bg="bg" onClick={() => onOpen(failed)} size="sm" variant="outline">
            Look at {nameOf(view.partitions, failed)}
          </Button>
        ) : null}
      </Flex>
    </HeadlineBox>
  );
}
