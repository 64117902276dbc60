// Files in the tree that a program writes: how to print each, and whether it is up to date.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { mustCargo } from "./cargo.mjs";
import { debugBinary, root } from "./paths.mjs";
import { output } from "./run.mjs";
import { note, Stop } from "./say.mjs";
import { Skipped } from "./steps.mjs";

const generated = [{ path: "docs/openapi.json", print: ["narthex", "openapi"] }];

/** Writes every generated file. */
export async function writeGenerated() {
  await buildPrinters();
  for (const { path, print } of generated) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, printed(print));
    note(`wrote ${path}`);
  }
}

/** Stops if a generated file is not what its program prints. */
export async function checkGenerated() {
  await buildPrinters();
  for (const { path, print } of generated) {
    const file = join(root, path);
    const inTree = existsSync(file) ? readFileSync(file, "utf8").replaceAll("\r\n", "\n") : null;
    if (inTree === printed(print)) continue;
    throw new Stop(
      inTree === null
        ? `${path} is not in the tree. Write it: npm run generate`
        : `${path} is not what \`${print.join(" ")}\` prints (${firstDifference(inTree, printed(print))}).\n` +
            "Write it anew: npm run generate",
    );
  }
  return generated.map(({ path }) => path).join(", ");
}

function buildPrinters() {
  return mustCargo("build", "--quiet", "--locked", "--package", "narthex-core", "--bin", "narthex");
}

function printed([program, ...args]) {
  const text = output(debugBinary(program), args);
  if (text === null) throw new Stop(`\`${program} ${args.join(" ")}\` failed.`);
  if (text === "") throw new Skipped(`this ${program} prints nothing for \`${args.join(" ")}\``);
  return `${text}\n`;
}

function firstDifference(one, other) {
  const lines = other.split("\n");
  const at = one.split("\n").findIndex((line, index) => line !== lines[index]);
  return `they differ from line ${at + 1}`;
}
