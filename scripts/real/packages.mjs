// The real servers and clients, pinned, installed once into the target folder.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { targetDir } from "../lib/paths.mjs";
import { must } from "../lib/run.mjs";
import { note } from "../lib/say.mjs";
import { venv } from "../lib/venv.mjs";

const fromNpm = [
  "@modelcontextprotocol/server-everything@2026.8.31",
  "@modelcontextprotocol/server-filesystem@2026.8.31",
  "@modelcontextprotocol/inspector@2.12.0",
];
const fromPyPI = ["mcp==2.3.0", "mcp-server-time==2026.10.19"];

/** Inspector needs Node 22.19; where this one is older, npm brings one that is not. */
const [major, minor] = process.versions.node.split(".").map(Number);
const ownNodeWillDo = major > 22 || (major === 22 && minor >= 19);
const platform = process.platform === "win32" ? "win" : process.platform;
const nodePackage = `node-${platform}-${process.arch}`;

/** Returns where each program is; installs them where they are not there as pinned. */
export async function installed() {
  const folder = join(targetDir(), "real");
  const modules = await npmPackages(join(folder, "npm"));
  const programs = await venv(join(folder, "venv"), fromPyPI, "about 25 seconds");
  return {
    node: process.execPath,
    everything: join(modules, "@modelcontextprotocol/server-everything/dist/index.js"),
    filesystem: join(modules, "@modelcontextprotocol/server-filesystem/dist/index.js"),
    time: join(programs, "mcp-server-time"),
    python: join(programs, "python"),
    inspector: join(modules, "@modelcontextprotocol/inspector/clients/launcher/build/index.js"),
    inspectorNode: ownNodeWillDo ? process.execPath : join(modules, nodePackage, "bin", "node"),
  };
}

async function npmPackages(folder) {
  const packages = ownNodeWillDo ? fromNpm : [...fromNpm, `${nodePackage}@22.23.3`];
  const stamp = join(folder, "narthex-packages.txt");
  const wanted = `${packages.join("\n")}\n`;
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
    note(`installing ${packages.join(", ")} into ${folder}: once, about 30 seconds, 320 MB`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
    const how = ["install", "--prefix", folder, "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
    await must(process.execPath, [npm(), ...how, ...packages], { cwd: folder });
    writeFileSync(stamp, wanted);
  }
  return join(folder, "node_modules");
}

/** npm's own script: the one that runs us, or the one beside this Node. */
function npm() {
  const beside = platform === "win" ? "../node_modules" : "../../lib/node_modules";
  return process.env.npm_execpath ?? join(process.execPath, beside, "npm/bin/npm-cli.js");
}
