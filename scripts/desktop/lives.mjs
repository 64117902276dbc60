// How the desktop begins and ends: hidden, a second time, fifty windows, told to end, killed.
import { App } from "./app.mjs";
import { holds, runChecks } from "./checks.mjs";
import { startItem, startPanel } from "./panel.mjs";
import { endedWithin, familyOf, shown, union } from "./processes.mjs";
import { cliBeside, isServer, writeServers } from "./scene.mjs";
import { ended, inSession, signal } from "./session.mjs";
import { privateMemory, settled } from "./use.mjs";

const windows = 50;
const servers = 10;

/** In MiB. A web process of its own has several times this, so that one left behind shows. */
const keptAtMost = 32;
const endsInOrderWithin = 10_000;
const killedWithin = 5_000;

export async function lives(tally, binary) {
  await inDesktop(binary, (app, furniture) =>
    runChecks(tally, { ...windowChecks(app), "told to end, nothing is left": () => toldToEnd(app, furniture, "SIGTERM", endsInOrderWithin) }),
  );
  await inDesktop(binary, async (app, furniture) => {
    await app.openWindow();
    await runChecks(tally, { "killed with its window open, nothing is left": () => toldToEnd(app, furniture, "SIGKILL", killedWithin) });
  });
  await runChecks(tally, { "beside a `serve` it attaches, and ends alone": () => besideServe(binary) });
}

/** Whoever holds the home keeps the servers. */
function besideServe(binary) {
  return inSession({}, async (session) => {
    const names = writeServers(session, binary, servers);
    await startPanel(session);
    const core = await App.start(session, cliBeside(binary), ["serve", "--listen", "127.0.0.1:0", "--trust-config"]);
    await core.conditions(names, "connected");
    const { child } = await startItem(session, binary, ["--hidden"]);
    holds(familyOf(child.pid).length === 1, "it started something");
    child.kill("SIGTERM");
    holds((await ended(child)) === 0, `exit code ${child.exitCode}`);
    await core.conditions(names, "connected");
  });
}

function inDesktop(binary, run) {
  return inSession({}, async (session) => {
    const names = writeServers(session, binary, servers);
    await startPanel(session);
    const furniture = session.strays();
    const app = await App.start(session, binary);
    await app.conditions(names, "connected");
    await run(app, furniture);
  });
}

const windowChecks = (app) => ({
  "a hidden start opens no window": () => holds(!app.windows().length, "there is one"),
  "a second start exits 0, and the window comes": async () => {
    const window = await app.openWindow();
    await app.openWindow();
    holds(app.windows().length === 1, `${app.windows().length} windows`);
    await app.closeWindow(window);
  },
  "closing the window ends no server": () => app.conditions(Array.from({ length: servers }, (_, index) => `server-${index + 1}`), "connected"),
  [`${windows} windows later the memory has returned`]: async () => {
    const before = await rested(app);
    for (let round = 0; round < windows; round += 1) await app.closeWindow(await app.openWindow());
    const after = await rested(app);
    const told = `${before.toFixed(1)} MiB before, ${after.toFixed(1)} MiB after`;
    holds(after - before < keptAtMost, told);
    return told;
  },
  "no web process is left without a window": async () => {
    const views = familyOf(app.pid).filter(({ name }) => name === "WebKitWebProcess");
    const left = await endedWithin(views, 5_000);
    holds(!left.length, left.map(shown).join("\n"));
  },
});

/** Returns the private memory of all but the servers, once nothing works any more. */
async function rested(app) {
  const pids = () => familyOf(app.pid).filter((one) => !isServer(one)).map(({ pid }) => pid);
  await settled(pids);
  return privateMemory(pids());
}

/**
 * Ends it by a signal and looks whether everything that descends from it is gone, and whatever else
 * came into the session after it, however it tore itself off.
 */
async function toldToEnd(app, furniture, how, within) {
  const others = furniture.flatMap(({ pid }) => familyOf(pid).map((one) => one.pid));
  const came = app.session.strays().filter(({ pid, byBus }) => !byBus && !others.includes(pid));
  const family = union([...familyOf(app.pid), ...came]);
  holds(family.length > servers, `only ${family.length} processes`);
  const begun = Date.now();
  signal(app.pid, how);
  const left = await endedWithin(family, within);
  holds(!left.length, `left after ${within / 1000} s:\n${left.map(shown).join("\n")}`);
  const took = `${family.length} processes gone after ${Date.now() - begun} ms`;
  const code = await ended(app.child);
  if (how === "SIGTERM") holds(code === 0, `exit code ${code}`);
  return took;
}
