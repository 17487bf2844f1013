import { Line, SERIES, ink } from "../chart/chart";
import type { ModelVersion } from "../api/types";
import { measure } from "../format";
import { Box } from "../kit";
import { useDark } from "../shared/useDark";

const POINTS = ["circle", "rect", "triangle", "rectRot", "cross", "star"] as const;

/** Each metric as a line over the versions, oldest first. Version by version, the table below has the same numbers. */
export function MetricsChart({ versions }: { versions: ModelVersion[] }) {
  const dark = useDark();
  const { text, grid } = ink(dark);
  const oldestFirst = [...versions].reverse();
  const names = [...new Set(versions.flatMap((version) => Object.keys(version.metrics)))].slice(0, SERIES.length);
  const data = {
    labels: oldestFirst.map((version) => version.version),
    datasets: names.map((name, index) => ({
      label: name,
      data: oldestFirst.map((version) => version.metrics[name] ?? null),
      borderColor: SERIES[index],
      backgroundColor: SERIES[index],
      pointStyle: POINTS[index],
      // The first is drawn on top: through its gaps one sees a line below it, with larger points.
      borderDash: index < names.length - 1 ? [10, 8] : [],
      pointRadius: 4 + 2 * index,
    })),
  };
  const axis = { grid: { color: grid }, ticks: { color: text } };
  return (
    <Box height={56} position="relative">
      <Line
        aria-label={`Metrics over versions: ${names.join(", ")}. The table of versions has the numbers.`}
        data={data}
        options={{
          animation: false,
          maintainAspectRatio: false,
          plugins: {
            legend: { labels: { color: text, usePointStyle: true } },
            tooltip: { callbacks: { label: (item) => `${item.dataset.label ?? ""}: ${measure(item.parsed.y)}` } },
          },
          scales: { x: axis, y: axis },
        }}
        role="img"
      />
    </Box>
  );
}
