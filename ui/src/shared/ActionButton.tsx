import { type ReactNode, useRef, useState } from "react";

import type { Done } from "../api/actions";
import { ApiError } from "../api/client";
import { Alert, Button, Dialog, Portal, Stack } from "../kit";
import { useStatusMessage } from "./StatusMessage";

interface Props {
  label: string;
  /** The question that the dialog asks, and what will happen. */
  title: string;
  children: ReactNode;
  /** Do it, and tell what happens now. */
  act: () => Promise<Done>;
  /** It is done: the dialog is closed, and the page says so. */
  onDone: () => void;
  prominent?: boolean;
  danger?: boolean;
}

type Phase = { is: "asking" } | { is: "busy" } | { is: "failed"; text: string };

function failureText(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error);
  if (error.status === 403) return `You may not do this: ${error.message}. Ask an administrator of this Airflow.`;
  return `It did not work: ${error.message}`;
}

/** A button that changes something: it asks first; the page tells afterwards what happened, the dialog why not. */
export function ActionButton({ label, title, children, act, onDone, prominent = false, danger = false }: Props) {
  const [open, setOpen] = useState(false);
  const [phase, setPhase] = useState<Phase>({ is: "asking" });
  const { announce, dismiss } = useStatusMessage();
  const button = useRef<HTMLButtonElement>(null);
  const done = useRef(false);
  const cancel = useRef<HTMLButtonElement>(null);
  const busy = phase.is === "busy";

  const run = async () => {
    setPhase({ is: "busy" });
    try {
      announce(await act());
      done.current = true;
      setOpen(false);
      onDone();
    } catch (error) {
      setPhase({ is: "failed", text: failureText(error) });
    }
  };

  return (
    <>
      <Button
        ref={button}
        size="sm"
        variant={prominent ? "solid" : "outline"}
        colorPalette={danger ? "red" : "brand"}
        onClick={() => {
          done.current = false;
          setPhase({ is: "asking" });
          setOpen(true);
        }}
      >
        {label}
      </Button>
      <Dialog.Root
        // Else an alert dialog gives the focus to the cross in its corner, and this one has none.
        initialFocusEl={() => cancel.current}
        finalFocusEl={() => (done.current ? dismiss.current : button.current)}
        // A closed dialog could not tell of a failure.
        onOpenChange={(change) => busy || setOpen(change.open)}
        open={open}
        role="alertdialog"
        size="md"
      >
        <Portal>
          <Dialog.Backdrop />
          <Dialog.Positioner>
            <Dialog.Content mx={3}>
              <Dialog.Header>
                <Dialog.Title>{title}</Dialog.Title>
              </Dialog.Header>
              <Dialog.Body>
                <Stack gap={3}>
                  {phase.is === "failed" ? (
                    <Alert.Root status="error" role="status">
                      <Alert.Indicator />
                      <Alert.Title>{phase.text}</Alert.Title>
                    </Alert.Root>
                  ) : (
                    children
                  )}
                </Stack>
              </Dialog.Body>
              <Dialog.Footer>
                <Button disabled={busy} ref={cancel} size="sm" variant="outline" onClick={() => setOpen(false)}>
                  {phase.is === "failed" ? "Close" : "Cancel"}
                </Button>
                {phase.is === "failed" ? null : (
                  <Button size="sm" colorPalette={danger ? "red" : "brand"} loading={busy} onClick={() => void run()}>
                    {label}
                  </Button>
                )}
              </Dialog.Footer>
            </Dialog.Content>
          </Dialog.Positioner>
        </Portal>
      </Dialog.Root>
    </>
  );
}
