// A Python environment of our own in the target folder, with pinned packages, made once.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "./run.mjs";
import { note } from "./say.mjs";

/** Returns the folder of its programs; makes the environment anew where the packages changed. */
export async function venv(folder, packages, expected) {
  const programs = join(folder, process.platform === "win32" ? "Scripts" : "bin");
  const stamp = join(folder, "narthex-packages.txt");
  const wanted = `${packages.join("\n")}\n`;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return programs;

  note(`installing ${packages.join(", ")} into ${folder}: once, ${expected}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await must(process.platform === "win32" ? "python" : "python3", ["-m", "venv", folder]);
  await must(join(programs, "python"), ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages]);
  writeFileSync(stamp, wanted);
  return programs;
}
