// Packages from npm, pinned, installed once into a folder of their own; and a Node that is new enough.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "./run.mjs";
import { note } from "./say.mjs";

/** Some programs need Node 22.19; where this one is older, npm brings one that is not. */
const [major, minor] = process.versions.node.split(".").map(Number);
const ownNodeWillDo = major > 22 || (major === 22 && minor >= 19);
const platform = process.platform === "win32" ? "win" : process.platform;
const nodePackage = `node-${platform}-${process.arch}`;

/** Installs the packages, and a newer Node where it takes one; returns the folder of their modules. */
export async function npmPackages(folder, wantedPackages, about) {
  const packages = ownNodeWillDo ? wantedPackages : [...wantedPackages, `${nodePackage}@22.23.3`];
  const stamp = join(folder, "narthex-packages.txt");
  const wanted = `${packages.join("\n")}\n`;
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
    note(`installing ${packages.join(", ")} into ${folder}: once, ${about}`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
    const how = ["install", "--prefix", folder, "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
    await must(process.execPath, [npm(), ...how, ...packages], { cwd: folder });
    writeFileSync(stamp, wanted);
  }
  return join(folder, "node_modules");
}

/** Returns a Node of at least 22.19. */
export function newNode(modules) {
  return ownNodeWillDo ? process.execPath : join(modules, nodePackage, "bin", "node");
}

/** npm's own script: the one that runs us, or the one beside this Node. */
export function npm() {
  const beside = platform === "win" ? "../node_modules" : "../../lib/node_modules";
  return process.env.npm_execpath ?? join(process.execPath, beside, "npm/bin/npm-cli.js");
}
