import type { PartitionState } from "../api/types";

/** How states look: a colour (Okabe and Ito's palette, which colour-blind people tell apart) and, always, a shape. */
export interface Look {
  label: string;
  light: string;
  dark: string;
  shape: "solid" | "ring" | "cross" | "fill" | "outline" | "slash";
}

export const LOOKS: Record<PartitionState, Look> = {
  failed: { label: "failed", light: "#D55E00", dark: "#F0803C", shape: "cross" },
  running: { label: "running", light: "#0072B2", dark: "#56B4E9", shape: "fill" },
  waiting: { label: "waiting", light: "#8A8F98", dark: "#848B96", shape: "outline" },
  skipped: { label: "skipped", light: "#8A8F98", dark: "#848B96", shape: "slash" },
  scored: { label: "scored", light: "#009E73", dark: "#1FB98D", shape: "solid" },
  reused: { label: "kept from before", light: "#009E73", dark: "#1FB98D", shape: "ring" },
};

/** Worst first: what needs a person, then what is under way, then what is done. */
export const ORDER: PartitionState[] = ["failed", "running", "waiting", "skipped", "scored", "reused"];
