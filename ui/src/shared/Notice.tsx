import { useEffect, useState } from "react";
import type { ReactNode } from "react";

import type { ApiError } from "../api/client";
import type { Live } from "../api/useLive";
import { duration } from "../format";
import { Alert, Box, Button, EmptyState, Skeleton, Stack, Text } from "../kit";

/** Grey shapes where the page will be. */
export function Loading() {
  return (
    <Stack aria-busy="true" aria-label="Loading" gap={4} role="status">
      <Skeleton height={16} />
      <Skeleton height={24} />
      <Skeleton height={48} />
    </Stack>
  );
}

/** There is nothing to show, and why. */
export function Nothing({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <EmptyState.Root size="sm">
      <EmptyState.Content>
        <EmptyState.Title textAlign="center">{title}</EmptyState.Title>
        <Box color="fg.muted" textAlign="center">
          {children}
        </Box>
      </EmptyState.Content>
    </EmptyState.Root>
  );
}

function words(error: ApiError): { title: string; text: string } {
  if (error.status === 401)
    return { title: "You are logged out", text: "Log in to Airflow again and reload this page." };
  if (error.status === 403) {
    return {
      title: "You may not see this",
      text: "Your role does not allow you to read this DAG. Ask an administrator of this Airflow for read access to it.",
    };
  }
  if (error.status === 404) return { title: "This does not exist (any more)", text: error.message };
  if (error.status === 0) return { title: "No answer", text: error.message };
  return { title: `The server reports an error (${error.status})`, text: error.message };
}

function Problem({ error, onRetry }: { error: ApiError; onRetry: () => void }) {
  const { title, text } = words(error);
  return (
    <Alert.Root status={error.status === 403 ? "warning" : "error"}>
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>{title}</Alert.Title>
        <Alert.Description overflowWrap="anywhere">{text}</Alert.Description>
      </Alert.Content>
      <Button alignSelf="center" onClick={onRetry} size="sm" variant="outline">
        Try again
      </Button>
    </Alert.Root>
  );
}

/** A poll failed: what is shown is of `at`. */
function Stale({ at, error, onRetry }: { at: number; error: ApiError; onRetry: () => void }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <Alert.Root role="status" size="sm" status="warning">
      <Alert.Indicator />
      <Alert.Content flexDirection="row" alignItems="center" flexWrap="wrap" gap={3}>
        <Text flex={1} minW={40}>
          This is {duration(Math.max(0, Math.round((now - at) / 1000)))} old: {words(error).text}
        </Text>
        <Button onClick={onRetry} size="xs" variant="outline">
          Try again
        </Button>
      </Alert.Content>
    </Alert.Root>
  );
}

/** Something is missing, and the page asks again. */
export function Incomplete() {
  return (
    <Text color="fg.muted" fontSize="sm">
      Storage did not answer in time, so something is missing here. The page asks again.
    </Text>
  );
}

/** A view that is loaded: until then a skeleton, instead of it an error, above it a note that it is old. */
export function Loaded<T>({ live, children }: { live: Live<T>; children: (data: T) => ReactNode }) {
  if (live.data === null) {
    return live.error ? <Problem error={live.error} onRetry={live.refresh} /> : <Loading />;
  }
  return (
    <>
      {live.error ? <Stale at={live.at} error={live.error} onRetry={live.refresh} /> : null}
      {children(live.data)}
    </>
  );
}
