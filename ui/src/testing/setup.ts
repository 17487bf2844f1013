import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { createElement } from "react";
import { afterEach, vi } from "vitest";

// A search by role that asks the style of every element first takes seconds in a large table.
configure({ asyncUtilTimeout: 10_000, defaultHidden: true });

// jsdom draws nothing: what is drawn is tested as plain functions, and in a real browser.
HTMLCanvasElement.prototype.getContext = () => null;
vi.mock("react-chartjs-2", () => {
  const Chart = (props: { "aria-label"?: string }) =>
    createElement("canvas", { "aria-label": props["aria-label"], role: "img" });
  return { Bar: Chart, Line: Chart };
});
Element.prototype.scrollTo = () => undefined;
window.matchMedia = (media) =>
  ({
    media,
    matches: false,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  }) as unknown as MediaQueryList;
globalThis.ResizeObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};

afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  localStorage.clear();
  document.querySelector("head > base")?.remove();
});
