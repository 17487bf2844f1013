import { type ReactNode, createContext, useContext, useState } from "react";

import { Alert, Box, Button } from "../kit";

const Say = createContext<(text: string) => void>(() => undefined);

/** Says in the page's status line what was done. */
export const useSay = () => useContext(Say);

/**
 * A page with a line at its top that says what was done. It stays until it is dismissed: what the user pressed may be
 * gone by the time that the page has been refreshed.
 */
export function Saying({ children }: { children: ReactNode }) {
  const [said, setSaid] = useState("");
  return (
    <Say value={setSaid}>
      <Box bg="bg" position="sticky" role="status" top={0} zIndex="docked">
        {said === "" ? null : (
          <Alert.Root mb={{ base: 2, md: 4 }} size="sm" status="success">
            <Alert.Indicator />
            <Alert.Title flex={1} overflowWrap="anywhere">
              {said}
            </Alert.Title>
            <Button alignSelf="center" onClick={() => setSaid("")} size="xs" variant="outline">
              Dismiss
            </Button>
          </Alert.Root>
        )}
      </Box>
      {children}
    </Say>
  );
}
