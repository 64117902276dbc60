// What a person does in the window, and what others do meanwhile, in the real window by WebDriver.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { targetDir } from "../lib/paths.mjs";
import { keys } from "../lib/webdriver.mjs";
import { App } from "./app.mjs";
import { holds, runChecks } from "./checks.mjs";
import { confirmationChecks } from "./confirmation.mjs";
import { Page } from "./page.mjs";
import { startWindowManager } from "./panel.mjs";
import { household, settleHousehold, well, writeServers } from "./scene.mjs";
import { inSession } from "./session.mjs";
import { Tray } from "./tray.mjs";

/** From a click to a changed page, in the middle of all: a busy machine may hold up a few. */
const promptly = 50;
const clicks = 20;

export function windowFlows(tally, binary) {
  return inSession({}, async (session) => {
    await startWindowManager(session);
    writeServers(session, binary, { demo: well(binary), ...household(binary) });
    const page = await Page.open(session, binary, ["--listen", "127.0.0.1:0", "--trust-config"]);
    const app = new App(session, binary);
    await app.ready();
    await app.conditions(["demo"], "connected");
    await settleHousehold(app);
    await runChecks(tally, { ...checksOf(app, page, binary), ...confirmationChecks(app, page) });
    await page.end();
  });
}

const checksOf = (app, page, binary) => ({
  "every server has a row": async () => {
    await page.go("#/servers");
    for (const name of Object.keys(household(binary))) await page.shows(name);
  },
  "a row follows the command line": async () => {
    app.cli("disconnect", "demo");
    await page.shows("demo", "disconnected");
    app.cli("connect", "demo");
    await page.shows("demo", "connected");
  },
  "a row follows the tray": async () => {
    const tray = new Tray(app.session, app.pid);
    tray.press("demo", "Disconnect");
    await page.shows("demo", "disconnected");
    tray.press("demo", "Connect");
    await page.shows("demo", "connected");
    tray.press("demo", "Quarantine");
    await page.shows("demo", "in_quarantine");
    await approve(app, page);
  },
  "rows follow edits of the file": async () => {
    edit(app, (servers) => ({ ...servers, newcomer: well(binary) }));
    await page.shows("newcomer", "connected");
    edit(app, ({ newcomer, ...others }) => others);
    await page.misses("newcomer");
  },
  "a click disconnects and connects": async () => {
    await page.press("demo", "disconnect");
    await page.shows("demo", "disconnected");
    await page.press("demo", "connect");
    await page.shows("demo", "connected");
    await app.conditions(["demo"], "connected");
  },
  "a click changes the page within 50 ms": async () => {
    const times = [];
    for (let round = 0; round < clicks; round += 1) {
      times.push(await page.timed("demo", "disconnected", () => page.press("demo", "disconnect")));
      await page.press("demo", "connect");
      await page.shows("demo", "connected");
    }
    const [first, condition] = ["first", "condition"].map((key) => times.map((time) => time[key]).sort((a, b) => a - b));
    const told = `first change ${summary(first)}, condition ${summary(condition)}`;
    holds(median(first) < promptly && median(condition) < promptly, told);
    return told;
  },
  "the menu of a row restarts": async () => {
    const before = await sinceOf(app, "demo");
    await page.choose("demo", "Restart");
    await app.until("demo to be a new one", async () => holds((await sinceOf(app, "demo")) !== before, "the same"));
    await page.shows("demo", "connected");
  },
  "the menu of a row quarantines, and both halves are given again": async () => {
    await page.choose("demo", "Quarantine");
    await page.shows("demo", "in_quarantine");
    await approve(app, page);
  },
  "the keyboard alone finds, opens and leaves a server": async () => {
    await page.view.press("/", ..."weather");
    await page.misses("demo");
    await page.view.press(keys.down, keys.enter);
    await page.view.until("its page", () => document.querySelector('[data-detail="weather"]'));
    await page.view.press(keys.escape);
    await page.view.until("its row, focused", () => document.activeElement.closest('[data-server="weather"]'));
    await page.view.press("/", keys.escape, keys.escape);
    await page.shows("demo");
  },
  "pictures of every page, light and dark": async () => {
    for (const theme of ["light", "dark"]) {
      await page.theme(theme);
      for (const [name, route] of Object.entries(pages)) {
        await page.go(route);
        await page.rests();
        const beyond = await page.beyond();
        holds(!beyond.length, `${route} reaches beyond the window: ${beyond.join(", ")}`);
        await page.view.screenshot(join(targetDir(), "screenshots/desktop", `${name}-${theme}.png`));
      }
    }
    return `${2 * Object.keys(pages).length} in target/screenshots/desktop`;
  },
});

const pages = {
  servers: "#/servers",
  server: "#/servers/demo",
  tools: "#/servers/demo/tools",
  logs: "#/servers/demo/logs",
  held: "#/servers/github/tools",
  review: "#/servers/github/review",
  failed: "#/servers/postgres",
  add: "#/add",
  clients: "#/clients",
  settings: "#/settings",
  gallery: "#/gallery",
};

/** Reviews `demo` from its row, lets it run and clients see it, and comes back. */
async function approve(app, page) {
  await page.press("demo", "review");
  await page.pressText("footer", "Let it run, and clients see it");
  await app.conditions(["demo"], "connected");
  await page.go("#/servers");
  await page.shows("demo", "connected");
}

const sinceOf = async (app, name) => (await (await app.ask(`/api/v1/servers/${name}`)).json()).server.since;

function edit(app, change) {
  const file = join(app.session.narthexHome, "narthex.json");
  const { mcpServers } = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ mcpServers: change(mcpServers) }, null, 2));
}

const median = (sorted) => sorted[Math.floor(sorted.length / 2)];
const summary = (sorted) => `median ${median(sorted).toFixed(1)}, most ${sorted.at(-1).toFixed(1)} ms`;
