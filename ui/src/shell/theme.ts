import { createSystem, defaultConfig } from "@chakra-ui/react";

/** Airflow's names of colours (its states, and `brand`) on Chakra's own palettes: the pages use no others. */
function colour(name: string) {
  const shade = (light: number, dark: number) => ({
    value: { _light: `{colors.${name}.${light}}`, _dark: `{colors.${name}.${dark}}` },
  });
  return {
    solid: { value: `{colors.${name}.600}` },
    contrast: { value: "white" },
    fg: shade(800, 200),
    muted: shade(200, 800),
    subtle: shade(100, 900),
    emphasized: shade(300, 700),
    focusRing: { value: `{colors.${name}.500}` },
    border: shade(300, 700),
  };
}

const NAMES = {
  brand: "blue",
  success: "green",
  failed: "red",
  warning: "yellow",
  running: "cyan",
  queued: "gray",
  scheduled: "gray",
  skipped: "pink",
  up_for_retry: "yellow",
  up_for_reschedule: "cyan",
  upstream_failed: "orange",
  restarting: "purple",
  deferred: "purple",
  removed: "gray",
  none: "gray",
};

export const system = createSystem(defaultConfig, {
  theme: {
    recipes: { button: { base: { colorPalette: "brand" }, defaultVariants: { size: "sm" } } },
    semanticTokens: { colors: Object.fromEntries(Object.entries(NAMES).map(([state, name]) => [state, colour(name)])) },
  },
});
