// Builds the two scripts that the wheel carries: main.js, which Airflow loads, and shell.js, which serves the same pages
// to people whose Airflow shows them no tabs of plugins.
import { fileURLToPath } from "node:url";

import license from "rollup-plugin-license";
import { build } from "vite";

const out = fileURLToPath(new URL("../airflow_batchscore/plugin/ui", import.meta.url));

/** What Airflow 3.3 lends to plugins, by module. */
const LENT = {
  react: "React",
  "react-dom": "ReactDOM",
  "react/jsx-runtime": "ReactJSXRuntime",
  "react-router-dom": "ReactRouterDOM",
  "@chakra-ui/react": "ChakraUI",
  "@emotion/react": "EmotionReact",
};

const notices = new Map();

function collectLicences() {
  return license({
    thirdParty: (dependencies) => {
      for (const dependency of dependencies) notices.set(dependency.name, dependency);
    },
  });
}

function bundle(name, entry, format, external) {
  return build({
    configFile: false,
    logLevel: "warn",
    define: { "process.env.NODE_ENV": '"production"' },
    oxc: { jsx: { runtime: "automatic" } },
    build: {
      outDir: out,
      emptyOutDir: false,
      target: "es2022",
      lib: { entry, formats: [format], name: "AirflowPlugin", fileName: () => name },
      rolldownOptions: {
        external,
        output: { globals: LENT, exports: format === "umd" ? "default" : "none" },
        plugins: [collectLicences()],
        onLog: (level, log, handle) => {
          // "use client" is for servers that render React; there is none here.
          if (log.code !== "MODULE_LEVEL_DIRECTIVE") handle(level, log);
        },
      },
    },
  });
}

await bundle("main.js", "src/main.ts", "umd", Object.keys(LENT));
await bundle("shell.js", "src/shell/shell.tsx", "iife", []);

const { writeFile } = await import("node:fs/promises");
const texts = [...notices.values()]
  .sort((a, b) => a.name.localeCompare(b.name))
  .map((d) => `${d.name} ${d.version} (${d.license})\n\n${(d.licenseText ?? "").trim()}\n`);
await writeFile(
  `${out}/LICENSES.txt`,
  ["main.js and shell.js contain these libraries.\n", ...texts].join(`\n${"-".repeat(80)}\n\n`),
);
