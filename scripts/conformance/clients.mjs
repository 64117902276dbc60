// The suite's client scenarios: the official SDK's client by itself, and the same with Narthex before
// the suite's server, which judges Narthex then.
import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { newNode } from "../lib/npm.mjs";
import { heading, note, green, red } from "../lib/say.mjs";

/** Those that are not about signing in. */
export const clientScenarios = ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"];

const ways = { direct: "the SDK's client", through: "through Narthex" };

/** Runs the scenarios, prints a table of them, and counts those through Narthex. */
export async function judgeClients(modules, requirements, results, scenarios, tally) {
  heading("suite: its client scenarios, by the SDK's client and through Narthex");
  const rows = [];
  for (const scenario of scenarios) {
    const row = { scenario };
    for (const way of Object.keys(ways)) {
      row[way] = await judge(modules, requirements, join(results, way), scenario, way);
    }
    tally.add(row.through.passes ? 1 : 0, row.through.passes ? 0 : 1);
    rows.push(row);
  }
  console.log(table(rows));
  for (const { scenario, through } of rows) {
    if (!through.passes) note(`${scenario}, through Narthex:\n${through.told}`);
  }
}

/** Runs one; resolves to whether it passes, its checks that failed and passed, and what was said. */
async function judge(modules, requirements, results, scenario, way) {
  const node = newNode(modules);
  const suite = join(modules, "@modelcontextprotocol/conformance/dist/index.js");
  const client = fileURLToPath(new URL("client.mjs", import.meta.url));
  const args = [suite, "client", "--command", `${node} ${client} ${way}`, "--scenario", scenario];
  args.push("--spec-version", requirements, "-o", results);
  const { code, said } = await quietly(node, args);
  const checks = checksOf(results, scenario);
  const of = (status) => checks.filter((check) => check.status === status).length;
  const failed = of("FAILURE") + of("WARNING");
  return { passes: code === 0 && of("SUCCESS") > 0 && !failed, passed: of("SUCCESS"), failed, told: said };
}

function quietly(program, args) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, said: said.trim() }));
  });
}

/** Reads what the suite judged, check by check. */
function checksOf(results, scenario) {
  try {
    const folders = readdirSync(results).filter((name) => name.startsWith(`${scenario}-`));
    return JSON.parse(readFileSync(join(results, folders.sort().at(-1), "checks.json"), "utf8"));
  } catch {
    return [];
  }
}

function table(rows) {
  const cell = ({ passes, passed, failed }) => {
    const text = `${passes ? "passes" : "FAILS"} (${passed} checks, ${failed} failed)`.padEnd(32);
    return passes ? green(text) : red(text);
  };
  const wide = Math.max(...rows.map(({ scenario }) => scenario.length));
  const head = ["scenario".padEnd(wide), ...Object.values(ways).map((title) => title.padEnd(32))];
  const lines = rows.map((row) => [row.scenario.padEnd(wide), ...Object.keys(ways).map((way) => cell(row[way]))]);
  return [head, ...lines].map((line) => `    ${line.join("  ")}`.trimEnd()).join("\n");
}
