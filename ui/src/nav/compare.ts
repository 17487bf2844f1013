import type { ModelVersion } from "../api/types";
import { count, measure, readable, time } from "../format";

export interface Line {
  what: string;
  left: string;
  right: string;
  /** Of numbers: how much more the right one is. */
  difference: string;
}

const signed = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3, signDisplay: "exceptZero" });

function lines(group: string, left: Record<string, string>, right: Record<string, string>): Line[] {
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  return names.map((name) => ({
    what: `${group}: ${name}`,
    left: left[name] ?? "–",
    right: right[name] ?? "–",
    difference: "",
  }));
}

/** Two versions line by line: metrics first, then what could explain their difference. */
export function compare(left: ModelVersion, right: ModelVersion): Line[] {
  const metrics = [...new Set([...Object.keys(left.metrics), ...Object.keys(right.metrics)])].map((name) => {
    const [a, b] = [left.metrics[name], right.metrics[name]];
    const difference = a === undefined || b === undefined ? "" : signed.format(b - a);
    return { what: name, left: measure(a ?? null), right: measure(b ?? null), difference };
  });
  const plain = (what: string, of: (version: ModelVersion) => string) => ({
    what,
    left: of(left),
    right: of(right),
    difference: "",
  });
  return [
    ...metrics,
    plain("measured on", (version) => version.metrics_on || "–"),
    plain("created", (version) => time(version.created)),
    plain("estimator", (version) => version.estimator),
    plain("flavour", (version) => version.flavor),
    plain("trained on", (version) => version.trained_on.map(readable).join(", ") || "–"),
    {
      ...plain("rows trained", (version) => count(version.rows_trained)),
      difference: signed.format(right.rows_trained - left.rows_trained),
    },
    plain("features", (version) => version.features.join(", ") || "–"),
    ...lines("parameter", left.params, right.params),
    ...lines("library", left.libraries, right.libraries),
  ];
}
