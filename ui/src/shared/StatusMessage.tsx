import { type ReactNode, type RefObject, createContext, useContext, useMemo, useRef, useState } from "react";

import { Alert, Box, Button } from "../kit";

interface StatusMessage {
  /** Shows what was done. */
  announce: (text: string) => void;
  /** The message's button: where the focus goes when the button that was pressed is gone. */
  dismiss: RefObject<HTMLButtonElement | null>;
}

const Context = createContext<StatusMessage>({ announce: () => undefined, dismiss: { current: null } });

export const useStatusMessage = () => useContext(Context);

/**
 * A page with a message at its top that says what was done. It stays until it is dismissed: what the user pressed may be
 * gone by the time that the page has been refreshed.
 */
export function WithStatusMessage({ children }: { children: ReactNode }) {
  const [text, setText] = useState("");
  const dismiss = useRef<HTMLButtonElement>(null);
  const message = useMemo(() => ({ announce: setText, dismiss }), []);
  return (
    <Context value={message}>
      <Box bg="bg" position="sticky" role="status" top={0} zIndex="docked">
        {text === "" ? null : (
          <Alert.Root mb={{ base: 2, md: 4 }} size="sm" status="success">
            <Alert.Indicator />
            <Alert.Title flex={1} overflowWrap="anywhere">
              {text}
            </Alert.Title>
            <Button alignSelf="center" ref={dismiss} onClick={() => setText("")} size="xs" variant="outline">
              Dismiss
            </Button>
          </Alert.Root>
        )}
      </Box>
      {children}
    </Context>
  );
}
