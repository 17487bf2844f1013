// Builds the two scripts that the wheel carries: main.js, which Airflow loads, and shell.js, which serves the same pages
// to people whose Airflow shows them no tabs of plugins.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

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

/** Folders of the packages whose modules ended up in a bundle. */
const packages = new Set();

const collectPackages = {
  name: "collect-packages",
  generateBundle(_, chunks) {
    for (const id of Object.values(chunks).flatMap((chunk) => chunk.moduleIds ?? [])) {
      const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id.replace("\0", ""))?.[0];
      if (folder) packages.add(folder);
    }
  },
};

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
        plugins: [collectPackages],
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

const texts = [...packages].sort().map((folder) => {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)/i.test(file));
  return [
    `${name} ${version} (${license})`,
    ...files.map((file) => readFileSync(`${folder}/${file}`, "utf8").trim()),
  ].join("\n\n");
});
writeFileSync(
  `${out}/LICENSES.txt`,
  ["main.js and shell.js contain these libraries.", ...texts].join(`\n\n${"-".repeat(80)}\n\n`) + "\n",
);
