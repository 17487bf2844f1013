import { expect, it } from "vitest";

import { SERIES, inkOn } from "./chart";

/** Relative luminance, as WCAG 2 defines it. */
function luminance(colour: string): number {
  const names: Record<string, string> = { black: "#000000", white: "#FFFFFF" };
  const hex = names[colour] ?? colour;
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

it.each(SERIES)("writes on %s with enough contrast", (colour) => {
  const [light, dark] = [luminance(colour), luminance(inkOn(colour))].sort((a, b) => b - a);
  expect((light! + 0.05) / (dark! + 0.05)).toBeGreaterThan(5);
});
