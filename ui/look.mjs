// Shows the built pages over the fixtures: `npm run look` serves them, `npm run look -- FOLDER` writes screenshots there.
// The document and its policy are those of the plugin; needs Chromium for screenshots.
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { chromium } from "playwright-core";
import { createServer as createVite } from "vite";

const BUILT = new URL("../airflow_batchscore/plugin/ui/", import.meta.url);
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; base-uri 'self'";
const BASE = "/team/";

const vite = await createVite({
  configFile: false,
  server: { middlewareMode: true, hmr: false },
  appType: "custom",
  logLevel: "error",
});
const { answer } = await vite.ssrLoadModule("/src/fixtures/answers.ts");

const RUN = 'data-dag-id="wta_batch_scoring" data-run-id="manual__2026-11-22T10:00:00+00:00"';
const PAGES = { run: RUN, task: `${RUN} data-task-id="score" data-map-index="9"`, nav: "" };

function document(page) {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><base href="${BASE}"><link rel="icon" href="data:,"><title>Scoring</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><div id="root" data-page="${page}" ${PAGES[page]}></div><script src="batchscore/static/shell.js?v=1"></script></body></html>`;
}

// http://127.0.0.1:PORT/team/look/run/failed shows the page "run" with the fixture "failed".
const server = createServer((request, response) => {
  const path = request.url.slice(BASE.length);
  const [, page, fixture] = /^look\/(\w+)\/(\w+)/.exec(path) ?? [];
  response.setHeader("Content-Security-Policy", POLICY);
  if (page) {
    response.setHeader("Content-Type", "text/html");
    return response.end(document(page));
  }
  const script = /^batchscore\/static\/(\w+\.js)/.exec(path)?.[1];
  if (script) {
    response.setHeader("Content-Type", "text/javascript");
    return response.end(readFileSync(new URL(script, BUILT)));
  }
  const shown = /\/look\/\w+\/(\w+)/.exec(request.headers.referer ?? "")?.[1] ?? fixture;
  const { status, body } = answer(shown, decodeURI(path));
  response.statusCode = status;
  response.setHeader("Content-Type", "application/json");
  return response.end(status === 204 ? undefined : JSON.stringify(body));
});
await new Promise((listening) => server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", listening));
const origin = `http://127.0.0.1:${server.address().port}${BASE}look/`;

const VIEWS = [
  "run/failed",
  "run/killed",
  "run/gate",
  "run/finished",
  "run/running",
  "run/quarantined",
  "run/packs",
  "run/empty",
  "run/forbidden",
  "run/error",
  "task/running",
  "task/failed",
  "task/empty",
  "nav/runs",
  "nav/runs?tab=models",
  "nav/runs?tab=datasets",
];

async function screenshots(folder, only) {
  mkdirSync(folder, { recursive: true });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
    ],
  });
  for (const [name, width, colorScheme] of [
    ["light", 1280, "light"],
    ["dark", 1280, "dark"],
    ["phone", 360, "light"],
  ]) {
    const context = await browser.newContext({
      viewport: { width, height: 800 },
      colorScheme,
      locale: "en-GB",
      timezoneId: "Europe/Berlin",
    });
    for (const view of VIEWS.filter((one) => !only || one.includes(only))) {
      const page = await context.newPage();
      page.on(
        "console",
        (message) =>
          message.type() === "error" &&
          !/status of (403|500)/.test(message.text()) &&
          console.log(view, name, message.text()),
      );
      page.on("pageerror", (error) => console.log(view, name, error.message));
      await page.goto(origin + view);
      await page.waitForTimeout(900);
      const wide = await page.evaluate(() => window.document.documentElement.scrollWidth);
      if (wide > width) console.log(`${view} ${name}: the page is ${wide} wide, the window ${width}`);
      await page.screenshot({ path: `${folder}/${view.replace(/\W+/g, "-")}-${name}.png`, fullPage: true });
      await page.close();
    }
    await context.close();
  }
  await browser.close();
}

if (process.argv[2]) {
  await screenshots(process.argv[2], process.argv[3]);
  server.close();
  await vite.close();
} else {
  console.log(VIEWS.map((view) => origin + view).join("\n"));
}
