// The real servers and clients, pinned, installed once into the target folder.
import { join } from "node:path";
import { newNode, npmPackages } from "../lib/npm.mjs";
import { targetDir } from "../lib/paths.mjs";
import { venv } from "../lib/venv.mjs";

const fromNpm = [
  "@modelcontextprotocol/server-everything@2026.8.31",
  "@modelcontextprotocol/server-filesystem@2026.8.31",
  "@modelcontextprotocol/server-memory@2026.8.31",
  "@modelcontextprotocol/server-sequential-thinking@2026.8.31",
  "@modelcontextprotocol/inspector@2.12.0",
  "@modelcontextprotocol/sdk@1.32.2",
  "@modelcontextprotocol/client@2.4.0",
  "mcp-remote@0.15.1",
];
const fromPyPI = ["mcp==2.3.0", "fastmcp==4.1.2", "mcp-server-time==2026.10.19", "mcp-server-git==2026.10.19"];

/** Returns where each program is; installs them where they are not there as pinned. */
export async function installed() {
  const folder = join(targetDir(), "real");
  const modules = await npmPackages(join(folder, "npm"), fromNpm, "about 30 seconds, 340 MB");
  const programs = await venv(join(folder, "venv"), fromPyPI, "about 30 seconds, 140 MB");
  const server = (name) => join(modules, `@modelcontextprotocol/server-${name}/dist/index.js`);
  return {
    folder,
    modules,
    node: process.execPath,
    newNode: newNode(modules),
    python: join(programs, "python"),
    everything: server("everything"),
    filesystem: server("filesystem"),
    memory: server("memory"),
    thinking: server("sequential-thinking"),
    time: join(programs, "mcp-server-time"),
    git: join(programs, "mcp-server-git"),
    inspector: join(modules, "@modelcontextprotocol/inspector/clients/launcher/build/index.js"),
    remote: join(modules, "mcp-remote/dist/proxy.js"),
  };
}
