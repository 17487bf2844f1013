import { CategoryScale, Chart, Legend, LineElement, BarElement, LinearScale, PointElement, Tooltip } from "chart.js";

// Only what the pages draw: the rest of chart.js stays out of the bundle.
Chart.register(CategoryScale, LinearScale, BarElement, LineElement, PointElement, Legend, Tooltip);
Chart.defaults.font.family = "inherit";

/** Okabe and Ito's colours: told apart by colour-blind people, on light and on dark ground. */
export const SERIES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"];

/** Colour of text on a colour of `SERIES`, with enough contrast. */
export function inkOn(series: string): string {
  return series === SERIES[0] ? "white" : "black";
}

export function ink(dark: boolean): { text: string; grid: string; training: string } {
  return dark
    ? { text: "#C9D1DC", grid: "#323B49", training: "#7F8A9B" }
    : { text: "#3D4656", grid: "#DDE2E9", training: "#9AA4B2" };
}

export { Bar, Line } from "react-chartjs-2";
