// MCP Inspector's command line as a client: one process a request.
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

const deadline = 60_000;

/** Returns the tools listed at an address. */
export async function listTools(at, url, token) {
  return (await inspect(at, url, token, ["--method", "tools/list"])).tools;
}

/** Returns the text that a tool answers. */
export async function callTool(at, url, token, tool, parameters) {
  const given = Object.entries(parameters).map(([key, value]) => `${key}=${value}`);
  const result = await inspect(at, url, token, ["--method", "tools/call", "--tool-name", tool, "--tool-arg", ...given]);
  return result.content.map((part) => part.text ?? "").join("\n");
}

async function inspect(at, url, token, args) {
  // Inspector guesses the transport from a path that ends in /mcp; /mcp/s/NAME does not.
  const how = ["--transport", "http", "--header", `Authorization: Bearer ${token}`];
  const child = spawn(at.inspectorNode, [at.inspector, "--cli", url, ...how, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: deadline,
  });
  const code = new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  const [out, error] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if ((await code) !== 0) throw new Error(`Inspector ended with ${await code}: ${(error || out).trim()}`);
  return JSON.parse(out);
}
