/**
 * The pages outside Airflow's own, for people whose role shows them no tabs of plugins: `shell.js` brings what Airflow
 * lends to plugins, loads `main.js`, which lies beside it, and shows it in `<div id="root" data-dag-id= data-run-id=>`.
 */
import { ChakraProvider } from "@chakra-ui/react";
import * as EmotionReact from "@emotion/react";
import * as React from "react";
import * as ReactDOM from "react-dom";
import { createRoot } from "react-dom/client";
import * as ReactJSXRuntime from "react/jsx-runtime";
import { BrowserRouter, Link, useSearchParams } from "react-router-dom";

import type { App } from "../App";
import * as kit from "../kit";
import { Header } from "./Header";
import { followColourMode } from "./colourMode";
import { system } from "./theme";

type Component = typeof App;

declare global {
  var AirflowPlugin: Component | undefined;
}

function mainScript(): string {
  const own = (document.currentScript as HTMLScriptElement | null)?.src ?? "";
  return own.replace(/shell\.js(?=$|\?)/, "main.js");
}

function show(root: HTMLElement, Page: Component) {
  const { dagId, runId, taskId, mapIndex } = root.dataset;
  createRoot(root).render(
    <ChakraProvider value={system}>
      <BrowserRouter>
        <Header dagId={dagId} runId={runId} />
        <kit.Box as="main" marginX="auto" maxWidth="1400px">
          <Page dagId={dagId} mapIndex={mapIndex} runId={runId} taskId={taskId} />
        </kit.Box>
      </BrowserRouter>
    </ChakraProvider>,
  );
}

Object.assign(globalThis, {
  React,
  ReactDOM,
  ReactJSXRuntime,
  ReactRouterDOM: { Link, useSearchParams },
  ChakraUI: kit,
  ChakraUISystem: system,
  EmotionReact,
});
followColourMode();

const root = document.getElementById("root");
if (root) {
  const script = document.createElement("script");
  script.src = mainScript();
  script.onload = () => {
    if (globalThis.AirflowPlugin) show(root, globalThis.AirflowPlugin);
  };
  script.onerror = () => {
    root.textContent =
      "The page could not be loaded. Reload it; if that does not help, tell an administrator of this Airflow.";
  };
  document.head.append(script);
}
