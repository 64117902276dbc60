// Files in the tree that a program writes: how to print each, and whether it is up to date.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { mustCargo } from "./cargo.mjs";
import { debugBinary, root } from "./paths.mjs";
import { output } from "./run.mjs";
import { note, Stop } from "./say.mjs";
import { Skipped } from "./steps.mjs";

const generated = [
  { path: "docs/openapi.json", print: ["narthex", "openapi"] },
  { path: "ui/src/bindings.ts", print: ["narthex-bindings"] },
];

/** Writes every generated file. */
export async function writeGenerated() {
  await buildPrinters();
  for (const { path, print } of generated) {
    const file = join(root, path);
    const text = printed(print);
    if (text === null) throw new Stop(`\`${print.join(" ")}\` failed.`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    note(`wrote ${path}`);
  }
}

/** Stops if a generated file is not what its program prints. */
export async function checkGenerated() {
  await buildPrinters();
  for (const { path, print } of generated) compare(path, print);
  return generated.map(({ path }) => path).join(", ");
}

function compare(path, print) {
  const file = join(root, path);
  const inTree = existsSync(file) ? readFileSync(file, "utf8").replaceAll("\r\n", "\n") : null;
  const text = printed(print);
  if (inTree === null && text === null) throw new Skipped(`no ${path}, and nothing prints it`);
  if (text === null) throw new Stop(`${path} is in the tree, but \`${print.join(" ")}\` failed.`);
  if (inTree === null) throw new Stop(`${path} is not in the tree. Write it: npm run generate`);
  if (inTree === text) return;
  const where = firstDifference(inTree, text);
  throw new Stop(`${path} is not what \`${print.join(" ")}\` prints (${where}).\nWrite it anew: npm run generate`);
}

async function buildPrinters() {
  const build = ["build", "--quiet", "--locked", "--package", "narthex-core"];
  await mustCargo(...build, "--bin", "narthex");
  await mustCargo(...build, "--bin", "narthex-bindings", "--features", "bindings");
}

/** Returns what a program prints, or null where it prints nothing or refuses. */
function printed([program, ...args]) {
  const text = output(debugBinary(program), args);
  return text ? `${text}\n` : null;
}

function firstDifference(one, other) {
  const lines = other.split("\n");
  const at = one.split("\n").findIndex((line, index) => line !== lines[index]);
  return `they differ from line ${at + 1}`;
}
