import { type RefCallback, useLayoutEffect, useState } from "react";

/**
 * An element's width in CSS pixels, as it changes; 0 until it is laid out. One that is hidden keeps its last width.
 *
 * @param shown - what the element shows: it is measured again with each other value, as the last time may have been a bad
 * moment.
 */
export function useWidth<T extends HTMLElement>(shown: unknown): [RefCallback<T>, number] {
  const [element, setElement] = useState<T | null>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (!element) return;
    const measure = () => setWidth((last) => element.clientWidth || last);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [element, shown]);
  return [setElement, width];
}
