// The real servers and clients, pinned, installed once into the target folder.
import { join } from "node:path";
import { newNode, npmPackages } from "../lib/npm.mjs";
import { targetDir } from "../lib/paths.mjs";
import { venv } from "../lib/venv.mjs";

const fromNpm = [
  "@modelcontextprotocol/server-everything@2026.8.31",
  "@modelcontextprotocol/server-filesystem@2026.8.31",
  "@modelcontextprotocol/inspector@2.12.0",
];
const fromPyPI = ["mcp==2.3.0", "mcp-server-time==2026.10.19"];

/** Returns where each program is; installs them where they are not there as pinned. */
export async function installed() {
  const folder = join(targetDir(), "real");
  const modules = await npmPackages(join(folder, "npm"), fromNpm, "about 30 seconds, 320 MB");
  const programs = await venv(join(folder, "venv"), fromPyPI, "about 25 seconds");
  return {
    node: process.execPath,
    everything: join(modules, "@modelcontextprotocol/server-everything/dist/index.js"),
    filesystem: join(modules, "@modelcontextprotocol/server-filesystem/dist/index.js"),
    time: join(programs, "mcp-server-time"),
    python: join(programs, "python"),
    inspector: join(modules, "@modelcontextprotocol/inspector/clients/launcher/build/index.js"),
    inspectorNode: newNode(modules),
  };
}
