// Approvals that somebody asks for at a terminal, and the window that is asked instead.
import { join } from "node:path";
import { targetDir } from "../lib/paths.mjs";
import { App } from "./app.mjs";
import { holds, runChecks } from "./checks.mjs";
import { toldAfter } from "./events.mjs";
import { startWindowManager } from "./panel.mjs";
import { well, writeServers } from "./scene.mjs";
import { inSession } from "./session.mjs";

/** In a window that is open: the sheet, both answers, and what is told of them. */
export const confirmationChecks = (app, page) => ({
  "an approval from elsewhere waits for the window, and a no is told": async () => {
    await page.go("#/servers");
    await quarantined(app, "demo");
    const { event, data } = await toldAfter(app, () => asked(app, page, "demo", "Decline"), isOf);
    holds(event === "declined" && data.name === "demo", `${event} ${JSON.stringify(data)}`);
    holds((await serverOf(app, "demo")).condition === "in_quarantine", "it was let in");
  },
  "a yes lets it in, and is told with its command": async () => {
    const { event, data } = await toldAfter(app, () => asked(app, page, "demo", "Approve"), isOf);
    holds(event === "server" && data.server.name === "demo", `${event} ${JSON.stringify(data)}`);
    await app.conditions(["demo"], "connected");
    await page.view.until("the sheet to be gone", () => !document.querySelector("dialog"));
  },
});

/** Without a window: it comes by itself. */
export function hiddenConfirmation(tally, binary) {
  return inSession({}, async (session) => {
    await startWindowManager(session);
    writeServers(session, binary, { demo: well(binary) });
    const app = await App.start(session, binary);
    await app.conditions(["demo"], "connected");
    await runChecks(tally, {
      "an approval from elsewhere opens the window": async () => {
        await quarantined(app, "demo");
        await approvalOf(app, "demo");
        await app.until("the window", () => holds(app.windows().length === 1, "no window"));
      },
    });
  });
}

const isOf = ({ data }, command) => data.command === command;
const serverOf = async (app, name) => (await (await app.ask(`/api/v1/servers/${name}`)).json()).server;

async function quarantined(app, name) {
  app.cli("quarantine", name);
  await app.conditions([name], "in_quarantine");
}

/** Asks for an approval as the command line does; resolves to the command that waits. */
async function approvalOf(app, name) {
  const { launch, epoch } = await serverOf(app, name);
  const init = { method: "POST", body: JSON.stringify({ launch: launch.id, epoch }), headers: { "Content-Type": "application/json" } };
  const answer = await app.ask(`/api/v1/servers/${name}/approve`, init);
  const { command, pending } = await answer.json();
  holds(answer.status === 202 && pending === "confirmation", `answered ${answer.status}, ${pending}`);
  return command;
}

/** Asks, looks at the sheet that comes up, and answers there. */
async function asked(app, page, name, answer) {
  const command = await approvalOf(app, name);
  await page.view.until("the sheet", (name) => document.querySelector("dialog")?.innerText.includes(`asks to approve ${name}`), name);
  await page.rests();
  await page.view.screenshot(join(targetDir(), "screenshots/desktop", `confirmation-${answer.toLowerCase()}.png`));
  await page.pressText("dialog", answer);
  return command;
}
