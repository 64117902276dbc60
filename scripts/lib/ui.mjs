// The web UI: its packages and its bundle, made again only when something of it has changed.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { must, runAndRead } from "./run.mjs";
import { heading, note } from "./say.mjs";

const ui = join(root, "ui");
const npm = process.platform === "win32" ? "npm.cmd" : "npm";

/** Fetches what the UI is built with, where it is missing or older than the lock file. */
export async function installUi() {
  const fetched = join(root, "node_modules", ".package-lock.json");
  if (changed(fetched) >= changed(join(root, "package-lock.json"))) return;
  heading("ui: npm ci");
  note("the first time about half a minute, 110 MB into node_modules");
  await must(npm, ["ci", "--no-audit", "--no-fund", "--loglevel", "error"]);
}

/** Builds the bundle into ui/dist, which the desktop and the core embed. */
export async function buildUi() {
  await installUi();
  const sources = ["src", "public", "index.html", "package.json", "vite.config.ts"].map((name) => join(ui, name));
  const newest = Math.max(changed(join(root, "package-lock.json")), ...sources.map(newestBelow));
  if (changed(join(ui, "dist", "index.html")) >= newest) return;
  heading("ui: npm run build");
  await must(npm, ["run", "--silent", "build", "--workspace", "ui"]);
}

/** Runs a command of the UI's own package, and gives each line that it prints to `onLine`. */
export async function inUi(command, onLine = () => {}) {
  await installUi();
  return runAndRead(npm, ["run", "--silent", command, "--workspace", "ui"], onLine);
}

function newestBelow(path) {
  if (!existsSync(path)) return 0;
  if (!statSync(path).isDirectory()) return changed(path);
  return Math.max(changed(path), ...readdirSync(path).map((name) => newestBelow(join(path, name))));
}

function changed(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}
