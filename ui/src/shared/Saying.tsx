import { type ReactNode, type RefObject, createContext, useContext, useMemo, useRef, useState } from "react";

import { Alert, Box, Button } from "../kit";

interface Line {
  /** Says in the page's status line what was done. */
  say: (text: string) => void;
  /** The line's button: where the focus goes when the button that was pressed is gone. */
  dismiss: RefObject<HTMLButtonElement | null>;
}

const Say = createContext<Line>({ say: () => undefined, dismiss: { current: null } });

export const useSaying = () => useContext(Say);

/**
 * A page with a line at its top that says what was done. It stays until it is dismissed: what the user pressed may be
 * gone by the time that the page has been refreshed.
 */
export function Saying({ children }: { children: ReactNode }) {
  const [said, setSaid] = useState("");
  const dismiss = useRef<HTMLButtonElement>(null);
  const line = useMemo(() => ({ say: setSaid, dismiss }), []);
  return (
    <Say value={line}>
      <Box bg="bg" position="sticky" role="status" top={0} zIndex="docked">
        {said === "" ? null : (
          <Alert.Root mb={{ base: 2, md: 4 }} size="sm" status="success">
            <Alert.Indicator />
            <Alert.Title flex={1} overflowWrap="anywhere">
              {said}
            </Alert.Title>
            <Button alignSelf="center" ref={dismiss} onClick={() => setSaid("")} size="xs" variant="outline">
              Dismiss
            </Button>
          </Alert.Root>
        )}
      </Box>
      {children}
    </Say>
  );
}
