// The screen of a session: what it shows, where it changed, and the mouse and keyboard on it.
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Stop } from "../lib/say.mjs";

/** Two equal pictures this far apart are a screen that is drawn: GTK opens a submenu after 225 ms. */
const apart = 300;
const stillWithin = 15_000;

/** Returns the screen as `{ width, height, rgba }`. */
export function pixels(session) {
  const [width, height] = session.screen.split("x").map(Number);
  const rgba = session.output("import", ["-silent", "-window", "root", "-depth", "8", "rgba:-"], { encoding: "buffer", maxBuffer: 8 * width * height });
  return { width, height, rgba };
}

/** Waits until the screen no longer changes, and is another than `before` where that is given. */
export async function still(session, before) {
  const deadline = Date.now() + stillWithin;
  let last = pixels(session);
  while (Date.now() < deadline) {
    await sleep(apart);
    const next = pixels(session);
    if (next.rgba.equals(last.rgba) && !before?.rgba.equals(next.rgba)) return next;
    last = next;
  }
  throw new Stop(before ? "the screen did not change" : "the screen does not come to rest");
}

/** Returns the smallest box around all that differs, or null. */
export function difference(one, other, within = { x: 0, y: 0, width: one.width, height: one.height }) {
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
  for (let y = within.y; y < within.y + within.height; y++) {
    for (let x = within.x; x < within.x + within.width; x++) {
      const at = 4 * (y * one.width + x);
      if (one.rgba.readUInt32LE(at) === other.rgba.readUInt32LE(at)) continue;
      [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
    }
  }
  return right < 0 ? null : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/** Writes what a box of the screen shows as PNG, without dates in it. */
export function picture(session, file, { x, y, width, height }) {
  mkdirSync(dirname(file), { recursive: true });
  const plain = ["-strip", "-define", "png:exclude-chunks=date,time"];
  session.output("import", ["-silent", "-window", "root", "-crop", `${width}x${height}+${x}+${y}`, "+repage", ...plain, file]);
}

/** Paints the ground of the desktop; `display` answers 1 although it has done it. */
export function paint(session, colour) {
  session.output("sh", ["-c", 'display -window root "xc:$0" || true', colour]);
}

export const moveMouse = (session, x, y) => session.output("xdotool", ["mousemove", String(x), String(y)]);
export const click = (session, button) => session.output("xdotool", ["click", String(button)]);
export const press = (session, ...keys) => session.output("xdotool", ["key", ...keys]);

/** Returns the ids of the visible windows of these processes. */
export function windowsOf(session, pids) {
  const found = pids.flatMap((pid) => {
    try {
      return session.output("xdotool", ["search", "--onlyvisible", "--pid", String(pid)]).split("\n");
    } catch {
      return []; // xdotool fails where it finds none.
    }
  });
  return found.filter(Boolean);
}
