// The real servers behind Narthex, and what is asked of each: one call with a known answer.
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { Stop } from "../lib/say.mjs";

/**
 * `tools` is how many the server offers to a client that declares no capabilities; it may offer
 * more through a gateway that declares some.
 */
export function servers(at, folder, port) {
  const files = join(folder, "files");
  mkdirSync(files);
  writeFileSync(join(files, "greeting.txt"), "hello\n");
  return [
    {
      name: "everything",
      entry: { command: at.node, args: [at.everything, "stdio"] },
      tools: 13,
      call: { tool: "echo", arguments: { message: "hi" }, answer: "Echo: hi" },
    },
    {
      name: "everything-http",
      entry: { url: `http://127.0.0.1:${port}/mcp` },
      tools: 13,
      call: { tool: "get-sum", arguments: { a: 20, b: 22 }, answer: "42" },
    },
    {
      name: "files",
      entry: { command: at.node, args: [at.filesystem, files] },
      tools: 14,
      call: { tool: "list_directory", arguments: { path: files }, answer: "[FILE] greeting.txt" },
    },
    {
      name: "time",
      entry: { command: at.time, args: ["--local-timezone", "UTC"] },
      tools: 2,
      call: { tool: "get_current_time", arguments: { timezone: "Asia/Tokyo" }, answer: "+09:00" },
    },
  ];
}

/** Starts server-everything over Streamable HTTP; resolves to `{ port, end }` once it listens. */
export async function everythingOverHttp(at) {
  const port = await freePort();
  const child = spawn(at.node, [at.everything, "streamableHttp"], {
    env: { ...process.env, PORT: String(port) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  await new Promise((resolve, reject) => {
    const seen = (line) => /listening/i.test(line) && resolve();
    createInterface({ input: child.stdout }).on("line", seen);
    createInterface({ input: child.stderr }).on("line", seen);
    child.on("error", reject);
    child.on("exit", (code) => reject(new Stop(`server-everything over HTTP ended at once with ${code}`)));
  });
  return { port, end: () => child.kill() };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
