// `npm run figures -- [BINARY] [SECONDS]`: what the desktop costs, as a Markdown table: hidden in the
// tray, with its window, and after the window was closed, with ten connected servers behind it.
// Private memory that was only read is the binary's own pages, which the system drops when it wants.
import { App } from "./desktop/app.mjs";
import { startPanel } from "./desktop/panel.mjs";
import { familyOf } from "./desktop/processes.mjs";
import { isServer, writeServers } from "./desktop/scene.mjs";
import { inSession } from "./desktop/session.mjs";
import { settled, watched } from "./desktop/use.mjs";
import { debugBinary } from "./lib/paths.mjs";
import { note, script } from "./lib/say.mjs";
import { setUp } from "./setup.mjs";

/** Lets everything come to rest, then watches it; returns rows. */
async function situation(name, app, seconds) {
  const mine = () => familyOf(app.pid).filter((one) => !isServer(one));
  const quiet = await settled(() => mine().map(({ pid }) => pid));
  const family = mine();
  note(`${name}: ${family.length} processes${quiet ? "" : ", which do not come to rest"}; watching for ${seconds} s`);
  const use = await watched(family.map(({ pid }) => pid), seconds);
  return [...grouped(family, use)].map(([program, figures]) => [name, program, figures]);
}

/** Sums over processes of one name. */
function grouped(family, use) {
  const groups = new Map();
  for (const one of family) {
    const sum = groups.get(one.name) ?? { count: 0, private: 0, dirty: 0, pss: 0, wakes: 0, cpu: 0 };
    const figures = use.get(one.pid);
    for (const key of ["private", "dirty", "pss", "wakes", "cpu"]) sum[key] += figures[key];
    sum.count += 1;
    groups.set(one.name, sum);
  }
  return groups;
}

function table(rows) {
  const lines = rows.map(([name, program, { count, private: own, dirty, pss, wakes, cpu }]) => {
    const who = `${program}${count > 1 ? ` × ${count}` : ""}${program.startsWith("WebKit") ? " (web)" : ""}`;
    return `| ${name} | ${who} | ${own.toFixed(1)} | ${dirty.toFixed(1)} | ${pss.toFixed(1)} | ${wakes.toFixed(1)} | ${cpu.toFixed(2)} % |`;
  });
  const head = ["| situation | process | private MiB | of it written | PSS MiB | wake-ups/s | CPU |", "|---|---|---:|---:|---:|---:|---:|"];
  return [...head, ...lines].join("\n");
}

script(async ([binary = debugBinary("narthex-desktop"), seconds = "20"]) => {
  await setUp("figures");
  const rows = await inSession({}, async (session) => {
    const names = writeServers(session, binary, 10);
    await startPanel(session);
    const app = await App.start(session, binary);
    await app.conditions(names, "connected");
    const hidden = await situation("tray only", app, Number(seconds));
    const window = await app.openWindow();
    const open = await situation("with window", app, Number(seconds));
    await app.closeWindow(window);
    return [...hidden, ...open, ...(await situation("window closed", app, Number(seconds)))];
  });
  console.log(`\n${table(rows)}`);
});
