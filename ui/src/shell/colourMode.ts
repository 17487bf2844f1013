/** Light or dark: what the user chose in Airflow, which keeps it under this key; without a choice, as the system is. */
const KEY = "theme";

const system = () => matchMedia("(prefers-color-scheme: dark)");

function apply() {
  const chosen = localStorage.getItem(KEY);
  const dark = chosen === "dark" || (chosen !== "light" && system().matches);
  document.documentElement.classList.toggle("dark", dark);
  document.documentElement.classList.toggle("light", !dark);
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
}

export function followColourMode() {
  apply();
  system().addEventListener("change", apply);
  addEventListener("storage", apply);
}
