// `npm run test:conformance`: the official conformance suite, through Narthex and straight to the
// same server, which is built on the official SDK; then its scenarios for clients, with Narthex as the
// client. `npm run test:conformance -- SCENARIO` runs one.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { clientScenarios, judgeClients } from "./conformance/clients.mjs";
import { mustCargo, sayHowLong } from "./lib/cargo.mjs";
import { newNode, npmPackages } from "./lib/npm.mjs";
import { debugBinary, targetDir } from "./lib/paths.mjs";
import { runAndRead } from "./lib/run.mjs";
import { heading, script, Stop } from "./lib/say.mjs";
import { Tally } from "./lib/tally.mjs";
import { allConnected, endCore, startCore } from "./real/core.mjs";
import { setUp } from "./setup.mjs";

const suite = "@modelcontextprotocol/conformance@0.2.0-alpha.12";
const requirements = "2025-11-25";

// The ways through Narthex; each is judged by itself.
const behind = (program, url) => ({
  "stdio, shared": { command: program },
  "stdio, per client": { command: program, session: "per_client" },
  "http, shared": { url },
  "http, per client": { url, session: "per_client" },
});

script(async ([scenario]) => {
  await setUp("test:real");
  sayHowLong("about a minute: the official SDK", "seconds");
  await mustCargo("build", "--locked", "--package", "narthex-core", "--package", "narthex-conformance", "--bins");
  const modules = await npmPackages(join(targetDir(), "conformance"), [suite], "about 10 seconds");
  const home = mkdtempSync(join(tmpdir(), "narthex-conformance-"));
  const tally = new Tally();
  const asClient = clientScenarios.filter((name) => !scenario || name === scenario);
  try {
    if (!clientScenarios.includes(scenario)) await judgeServers(modules, home, scenario, tally);
    if (asClient.length) await judgeClients(modules, requirements, join(home, "clients"), asClient, tally);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  console.log(`\n${tally.line}`);
  return tally.failed ? 1 : 0;
});

/** Runs the scenarios for servers, each way. */
async function judgeServers(modules, home, scenario, tally) {
  const program = debugBinary("narthex-conformance");
  const peer = await overHttp(program);
  const ways = Object.entries(behind(program, peer.url)).map(([about, entry]) => ({ name: about.replace(/\W+/g, "-"), about, entry }));
  const core = await startCore(debugBinary("narthex"), home, ways, ["--no-client-auth"]);
  try {
    await allConnected(core, ways.map(({ name }) => name));
    heading("suite: straight to the server");
    await judge(modules, peer.url, join(home, "direct"), scenario, tally);
    for (const { name, about } of ways) {
      heading(`suite: through Narthex, ${about}`);
      await judge(modules, `${core.ready.mcp}/s/${name}`, join(home, name), scenario, tally);
    }
  } finally {
    peer.end();
    await endCore(core);
  }
}

/** Starts the server over HTTP; resolves to `{ url, end }` once it says where it listens. */
async function overHttp(program) {
  const child = spawn(program, ["--http"], { stdio: ["ignore", "pipe", "inherit"] });
  process.once("exit", () => child.kill());
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Stop(`${program} --http ended at once with ${code}`)));
  });
  return { url: JSON.parse(line).url, end: () => child.kill() };
}

/** Runs the suite against an address, and counts its scenarios; those that are not scored too. */
async function judge(modules, url, results, scenario, tally) {
  const program = join(modules, "@modelcontextprotocol/conformance/dist/index.js");
  const args = [program, "server", "--url", url, "-o", results];
  args.push(...(scenario ? ["--scenario", scenario] : ["--requirements", requirements]));
  let summary = false;
  let seen = 0;
  const code = await runAndRead(newNode(modules), args, (line) => {
    summary ||= line.includes("=== SUMMARY ===");
    const result = summary && /^([✓✗]) ([\w-]+): \d+ passed, \d+ failed/.exec(line);
    if (!result) return;
    seen += 1;
    tally.add(result[1] === "✓" ? 1 : 0, result[1] === "✓" ? 0 : 1);
  });
  if (code !== 0 && !tally.failed) tally.add(0, 1);
  if (!seen && !scenario) throw new Stop("the suite reported no scenario.");
}
