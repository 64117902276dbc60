// The window of a desktop that is attached to a `serve`: what it says when that ends, and comes back.
import { join } from "node:path";
import { targetDir } from "../lib/paths.mjs";
import { App } from "./app.mjs";
import { runChecks } from "./checks.mjs";
import { Page } from "./page.mjs";
import { startWindowManager } from "./panel.mjs";
import { cliBeside, well, writeServers } from "./scene.mjs";
import { ended, inSession, signal } from "./session.mjs";

const serve = (listen) => ["serve", "--listen", listen, "--trust-config"];
/** A server that writes three lines each time it starts. */
const talks = "i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo \"line $i of the talker\" >&2; done; exec \"$0\" demo";

export function attachedFlows(tally, binary) {
  return inSession({}, async (session) => {
    await startWindowManager(session);
    const cli = cliBeside(binary);
    writeServers(session, binary, { demo: well(binary), talker: { command: "sh", args: ["-c", talks, cli] } });
    const core = await App.start(session, cli, serve("127.0.0.1:0"));
    await core.conditions(["demo", "talker"], "connected");
    const { address } = await (await core.ask("/api/v1/status")).json();
    const page = await Page.open(session, binary, []);
    await runChecks(tally, checksOf(core, page, () => App.start(session, cli, serve(address))));
    await page.end();
  });
}

const checksOf = (core, page, startAgain) => ({
  "an attached window shows the other's servers, and says whose": async () => {
    await page.go("#/servers");
    await page.shows("demo", "connected");
    await says(page, `Attached to pid ${core.pid}`);
  },
  "a log that was written is there, and follows": async () => {
    await page.go("#/servers/talker/logs");
    await says(page, "line 3 of the talker");
    const before = await lines(page);
    core.cli("restart", "talker");
    await page.view.until("new lines", (before) => document.querySelectorAll(".line").length > before, before);
    await page.go("#/servers");
  },
  "when the core is killed, the window says so and keeps its rows": async () => {
    signal(core.pid, "SIGKILL");
    await ended(core.child);
    await says(page, "The core does not answer");
    await page.shows("demo");
    await page.rests();
    await page.view.screenshot(join(targetDir(), "screenshots/desktop", "lost.png"));
  },
  "when it is back, the window shows what holds": async () => {
    const again = await startAgain();
    await again.conditions(["demo"], "connected");
    await page.view.until("the strip to be gone", () => !document.body.innerText.includes("The core does not answer"));
    await page.shows("demo", "connected");
    again.cli("disconnect", "demo");
    await page.shows("demo", "disconnected");
  },
});

const lines = (page) => page.view.run(() => document.querySelectorAll(".line").length);
const says = (page, text) => page.view.until(`the words “${text}”`, (text) => document.body.innerText.includes(text), text);
