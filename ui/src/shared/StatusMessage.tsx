import { type ReactNode, type RefObject, createContext, useContext, useEffect, useMemo, useRef, useState } from "react";

import type { Done } from "../api/actions";
import { Alert, Box, Button } from "../kit";

/** After this, what was done is no news any more. */
const SHOWN_MS = 30_000;

interface StatusMessage {
  /** What the page says now. */
  said: Done | null;
  announce: (done: Done) => void;
  withdraw: () => void;
  /** The message's button: where the focus goes when the button that was pressed is gone. */
  dismiss: RefObject<HTMLButtonElement | null>;
}

const Context = createContext<StatusMessage>({
  said: null,
  announce: () => undefined,
  withdraw: () => undefined,
  dismiss: { current: null },
});

export const useStatusMessage = () => useContext(Context);

/**
 * Withdraws what was said of tasks as soon as one of them has ended anew.
 *
 * @param endings - of each task, what its end is known by, such as its time; "" while it has not ended.
 */
export function useEndings(endings: Record<string, string>) {
  const { said, withdraw } = useStatusMessage();
  const before = useRef<{ said: Done | null; endings: Record<string, string> }>({ said: null, endings: {} });
  useEffect(() => {
    if (before.current.said !== said) before.current = { said, endings };
    const anew = said?.tasks.some((task) => endings[task] && endings[task] !== before.current.endings[task]);
    if (anew) withdraw();
  }, [endings, said, withdraw]);
}

/**
 * A page with a message at its top that says what was done. What the user pressed may be gone by the time that the page
 * has been refreshed, so the message stays: until it is dismissed or no news.
 */
export function WithStatusMessage({ children }: { children: ReactNode }) {
  const [said, setSaid] = useState<Done | null>(null);
  const dismiss = useRef<HTMLButtonElement>(null);
  const place = useRef<HTMLDivElement>(null);
  const message = useMemo(() => {
    const withdraw = () => {
      // The focus stays here, instead of going to the top of the document.
      if (document.activeElement === dismiss.current) place.current?.focus();
      setSaid(null);
    };
    return { said, announce: setSaid, withdraw, dismiss };
  }, [said]);
  const { withdraw } = message;
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(withdraw, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [said, withdraw]);
  return (
    <Context value={message}>
      <Box bg="bg" outline="none" position="sticky" ref={place} role="status" tabIndex={-1} top={0} zIndex="docked">
        {said === null ? null : (
          <Alert.Root mb={{ base: 2, md: 4 }} size="sm" status="success">
            <Alert.Indicator />
            <Alert.Title flex={1} overflowWrap="anywhere">
              {said.text}
            </Alert.Title>
            <Button alignSelf="center" ref={dismiss} onClick={withdraw} size="xs" variant="outline">
              Dismiss
            </Button>
          </Alert.Root>
        )}
      </Box>
      {children}
    </Context>
  );
}
