// The wall around the core: it works without a window, so nothing of a window is in its tree.
// core/tests holds the same wall in `npm test`.
import { output } from "./run.mjs";
import { Stop } from "./say.mjs";

const behindTheWall = /^(tauri|wry|tao|muda|tray-icon|gtk|gdk(x11|wayland)?|webkit|webkit2gtk|javascriptcore|webview2)(\d|-|$)/;

/** Stops if the core depends on a window system, on any platform, to build or to run. */
export function checkWall() {
  const args = ["--target", "all", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
  const tree = output("cargo", ["tree", "--locked", "--package", "narthex-core", ...args]);
  if (!tree) throw new Stop("`cargo tree --package narthex-core` failed.");
  const names = new Set(tree.split("\n").map((line) => line.split(" ")[0]));
  const found = [...names].filter((name) => behindTheWall.test(name));
  if (found.length) {
    throw new Stop(
      `narthex-core depends on ${found.join(", ")}.\n` +
        `How it comes in: cargo tree --package narthex-core --target all --invert ${found[0]}`,
    );
  }
  return `${names.size} packages`;
}
