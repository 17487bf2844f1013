/** The library that Airflow imports: it finds the component as `globalThis.AirflowPlugin`. */
export { App as default } from "./App";
