// The scripts themselves: each parses, and stays short enough to read in one sitting.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { run } from "./run.mjs";
import { Stop } from "./say.mjs";

const longest = 200;

/** Stops at a script that does not parse or has more than 200 lines. */
export async function checkScripts() {
  const folder = join(root, "scripts");
  const files = readdirSync(folder, { recursive: true, withFileTypes: false }).filter((name) => name.endsWith(".mjs"));
  for (const name of files) {
    const file = join(folder, name);
    if ((await run(process.execPath, ["--check", file])) !== 0) throw new Stop(`scripts/${name} does not parse.`);
    const lines = readFileSync(file, "utf8").split("\n").length - 1;
    if (lines > longest) throw new Stop(`scripts/${name} has ${lines} lines, more than ${longest}.`);
  }
  return `${files.length} files`;
}
