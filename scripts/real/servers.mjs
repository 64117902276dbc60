// The real servers behind Narthex: how each is started, directly and by Narthex, and what of its
// messages it makes up anew each time.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { devNull } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Stop } from "../lib/say.mjs";

/** Makes what the servers work on; returns where it is. */
export function makePlace(folder) {
  const place = { folder, files: join(folder, "files"), roots: join(folder, "roots"), git: join(folder, "git") };
  const kept = join(place.files, "kept");
  for (const made of [kept, place.roots, place.git]) mkdirSync(made, { recursive: true });
  writeFileSync(join(kept, "greeting.txt"), "hello\n");
  writeFileSync(join(place.roots, "of-the-client.txt"), "hello\n");
  writeFileSync(join(place.git, "one.txt"), "1\n");
  const at = "2026-01-02T03:04:05Z";
  const who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"];
  const env = { ...process.env, GIT_AUTHOR_DATE: at, GIT_COMMITTER_DATE: at, GIT_CONFIG_GLOBAL: devNull };
  const git = (...args) => execFileSync("git", [...who, ...args], { cwd: place.git, env, stdio: "ignore" });
  git("init", "-b", "main");
  git("add", ".");
  git("commit", "-m", "One line");
  return place;
}

/**
 * The servers, as data:
 * - `kind`: what it is asked (`steps.mjs`). `tools`: how many it offers to a client that declares
 *   nothing; it may offer more.
 * - `command`, `args`, `env`: of one on standard streams, the last by who starts it; `path`: of one
 *   at an address.
 * - `session`, `roots`: a connection of each client's own, and clients that have roots.
 * - `varies`: what it writes anew each time; not compared between two runs.
 * - `conditional`: definitions that it has only for clients with more capabilities than Narthex
 *   declares, or than the client does.
 */
export function servers(at, place) {
  const everything = {
    kind: "everything",
    tools: 13,
    varies: [
      /created at \d+:\d\d:\d\d [AP]M/g,
      /"blob":"[^"]*"/g,
      /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g,
      /"level":"\w+","data":"\w+[- ]level[- ]message/g,
      / from session …/g,
      / - SessionId …/g,
    ],
    conditional: ["get-roots-list", "trigger-elicitation-request", "trigger-url-elicitation", "trigger-sampling-request"],
  };
  const files = { command: at.node, args: [at.filesystem, place.files], tools: 14, varies: [], conditional: [] };
  const plain = { varies: [], conditional: [] };
  return [
    { ...everything, name: "everything", command: at.node, args: [at.everything, "stdio"] },
    { ...everything, name: "everything-sse", transport: "sse", path: "/sse" },
    { ...everything, name: "everything-http", transport: "http", path: "/mcp" },
    { ...everything, name: "everything-own", command: at.node, args: [at.everything, "stdio"], session: "per_client", roots: true },
    { ...files, name: "files", kind: "files" },
    { ...files, name: "files-own", kind: "files-own", session: "per_client", roots: true },
    { ...plain, name: "memory", kind: "memory", command: at.node, args: [at.memory], tools: 9, env: (who) => ({ MEMORY_FILE_PATH: join(place.folder, `memory of ${who}.jsonl`) }) },
    { ...plain, name: "thinking", kind: "thinking", command: at.node, args: [at.thinking], tools: 1, varies: [/thoughtHistoryLength\\*": ?\d+/g] },
    { ...plain, name: "time", kind: "time", command: at.time, args: ["--local-timezone", "UTC"], tools: 2, varies: [/\d{4}-\d\d-\d\dT[\d:]+/g] },
    { ...plain, name: "git", kind: "git", command: at.git, args: ["--repository", place.git], tools: 12 },
  ];
}

/** Starts server-everything at addresses; resolves to `{ origins, end }` once they listen. */
export async function everythingAtAddresses(at) {
  const sse = await listening(at, "sse");
  const http = await listening(at, "streamableHttp");
  return { origins: { sse: sse.origin, http: http.origin }, end: () => [sse, http].forEach(({ child }) => child.kill()) };
}

async function listening(at, how) {
  const port = await freePort();
  const child = spawn(at.node, [at.everything, how], { env: { ...process.env, PORT: String(port) }, stdio: ["ignore", "pipe", "pipe"] });
  process.once("exit", () => child.kill());
  await new Promise((resolve, reject) => {
    const seen = (line) => /listening|running/i.test(line) && resolve();
    createInterface({ input: child.stdout }).on("line", seen);
    createInterface({ input: child.stderr }).on("line", seen);
    child.on("error", reject);
    child.on("exit", (code) => reject(new Stop(`server-everything ${how} ended at once with ${code}`)));
  });
  return { child, origin: `http://127.0.0.1:${port}` };
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
