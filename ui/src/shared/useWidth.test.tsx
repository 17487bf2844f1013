import { act, render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";

import { useWidth } from "./useWidth";

function Measured({ shown }: { shown: number }) {
  const [ref, width] = useWidth<HTMLDivElement>(shown);
  return <div ref={ref}>{width} pixels</div>;
}

it("measures again what was hidden at first, and keeps the width of what is hidden later", () => {
  const observers: (() => void)[] = [];
  vi.stubGlobal(
    "ResizeObserver",
    class {
      constructor(tell: () => void) {
        observers.push(tell);
      }
      observe() {}
      disconnect() {}
    },
  );
  const clientWidth = vi.spyOn(Element.prototype, "clientWidth", "get").mockReturnValue(0);
  const { rerender } = render(<Measured shown={1} />);
  expect(screen.getByText("0 pixels")).toBeVisible();
  clientWidth.mockReturnValue(400);
  rerender(<Measured shown={2} />);
  expect(screen.getByText("400 pixels")).toBeVisible();
  clientWidth.mockReturnValue(500);
  act(() => observers.at(-1)?.());
  expect(screen.getByText("500 pixels")).toBeVisible();
  clientWidth.mockReturnValue(0);
  act(() => observers.at(-1)?.());
  expect(screen.getByText("500 pixels")).toBeVisible();
});
