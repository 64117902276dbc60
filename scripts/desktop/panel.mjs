// A panel with a tray, as on somebody's desktop: openbox and xfce4-panel.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { Stop } from "../lib/say.mjs";
import { ended } from "./session.mjs";
import { paint, pixels, still } from "./screen.mjs";

export const panelHeight = 30;
const registersWithin = 20_000;
const watcher = "org.kde.StatusNotifierWatcher";

/** What a session of this look has in its environment. */
export const lookOf = (dark) => ({ GTK_THEME: dark ? "Adwaita:dark" : "Adwaita" });

/** Starts openbox and resolves once it manages windows. */
export async function startWindowManager(session) {
  const child = session.spawn("openbox");
  const managed = () => session.output("xprop", ["-root", "_NET_SUPPORTING_WM_CHECK"]).includes("window id");
  while (!managed()) {
    if (child.exitCode !== null) throw new Stop(`openbox ended with ${child.exitCode}\n${session.logOf("openbox")}`);
    await sleep(50); // xprop would tell of the change, but holds its lines back from a pipe.
  }
}

/** Starts the panel and resolves once it takes items and is drawn. */
export async function startPanel(session, colour = "#7A8B99") {
  configure(session);
  paint(session, colour);
  const ground = pixels(session);
  await startWindowManager(session);
  await session.own(watcher, "xfce4-panel", ["--disable-wm-check"]);
  // It owns its name before it has drawn itself.
  return still(session, ground);
}

/** Starts a program and resolves to `{ child, icon }` once its icon is in the panel, the only one there. */
export async function startItem(session, program, args) {
  const before = await still(session);
  const heard = await listen(session);
  const child = session.spawn(program, args);
  await Promise.race([heard.item, failed(child, session, program)]);
  heard.end();
  await still(session, before);
  return { child, icon: trayOf(session) };
}

/** Returns the box of the tray: the part of the panel that a helper of its own draws. */
export function trayOf(session) {
  const tree = session.output("xwininfo", ["-root", "-tree"]);
  const embedded = new RegExp(`"wrapper-2.0".* (\\d+)x${panelHeight}\\+\\d+\\+\\d+ +\\+(\\d+)\\+(\\d+)`).exec(tree);
  if (!embedded) throw new Stop("an item is registered, but the panel has no tray");
  const [width, x, y] = embedded.slice(1).map(Number);
  return { x, y, width, height: panelHeight };
}

/** Listens for items before the program starts, so that none is missed. */
async function listen(session) {
  const rule = `type='signal',interface='${watcher}',member='StatusNotifierItemRegistered'`;
  const monitor = session.spawn("dbus-monitor", ["--session", "--profile", rule], ["ignore", "pipe", "log"]);
  const lines = createInterface({ input: monitor.stdout });
  const item = new Promise((resolve) => lines.on("line", (line) => line.includes("StatusNotifierItemRegistered") && resolve()));
  // Its first line is about itself, and comes when it hears.
  await once(lines, "line");
  return { item, end: () => monitor.kill() };
}

async function failed(child, session, program) {
  const how = await Promise.race([ended(child), sleep(registersWithin, "was not in the tray in time", { ref: false })]);
  throw new Stop(`${program}: ${how}\n${session.logOf(program).slice(-2000)}`);
}

/** One panel at the top: windows, the tray, a clock that stands, so that pictures differ for a reason. */
function configure(session) {
  const folder = join(session.home, ".config/xfce4/xfconf/xfce-perchannel-xml");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "xfce4-panel.xml"), configuration);
}

const configuration = `<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="length" type="uint" value="100"/>
      <property name="size" type="uint" value="${panelHeight}"/>
      <property name="icon-size" type="uint" value="22"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/>
        <value type="int" value="2"/>
        <value type="int" value="3"/>
        <value type="int" value="4"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="tasklist"/>
    <property name="plugin-2" type="string" value="separator">
      <property name="expand" type="bool" value="true"/>
      <property name="style" type="uint" value="0"/>
    </property>
    <property name="plugin-3" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
    </property>
    <property name="plugin-4" type="string" value="clock">
      <property name="mode" type="uint" value="2"/>
      <property name="digital-layout" type="uint" value="3"/>
      <property name="digital-time-format" type="string" value="09:41"/>
    </property>
  </property>
</channel>
`;
