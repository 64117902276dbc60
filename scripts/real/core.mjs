// `narthex serve` on a home of its own, started and ended the way a script would.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { Stop } from "../lib/say.mjs";

const readyWithin = 30_000;
const connectedWithin = 60_000;
const endedWithin = 15_000;

/** Starts a core with these servers; resolves once it says where it listens. */
export async function startCore(binary, home, servers, more = []) {
  const mcpServers = Object.fromEntries(servers.map(({ name, entry }) => [name, entry]));
  writeFileSync(join(home, "narthex.json"), JSON.stringify({ mcpServers }, null, 2));
  const log = join(home, "serve.log");
  const stderr = openSync(log, "w");
  const args = ["serve", "--home", home, "--listen", "127.0.0.1:0", "--json", "--trust-config", ...more];
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", stderr] });
  closeSync(stderr);
  process.once("exit", () => child.kill("SIGKILL"));
  try {
    const ready = await firstLine(child);
    const token = (kind) => readFileSync(join(home, `${kind}.token`), "utf8").trim();
    return { child, log, ready, client: token("client"), control: token("control") };
  } catch (error) {
    child.kill("SIGKILL");
    throw new Stop(`${error.message}\n${lastLines(log)}`);
  }
}

async function firstLine(child) {
  const line = new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`narthex serve ended with ${code} before it was ready`)));
  });
  const late = sleep(readyWithin, null, { ref: false }).then(() => {
    throw new Error(`narthex serve was not ready within ${readyWithin / 1000} s`);
  });
  const text = await Promise.race([line, late]);
  const ready = JSON.parse(text);
  if (!ready.mcp) throw new Error(`narthex serve --json printed ${text}`);
  return ready;
}

/** Waits until every server is connected; resolves to what each took, as REST tells it. */
export async function allConnected(core, names) {
  const deadline = Date.now() + connectedWithin;
  const api = `http://${core.ready.listening}/api/v1/servers`;
  for (;;) {
    const answer = await fetch(api, { headers: { Authorization: `Bearer ${core.control}` } });
    if (!answer.ok) throw new Stop(`GET /api/v1/servers answered ${answer.status}: ${await answer.text()}`);
    const { servers } = await answer.json();
    const waiting = names.filter((name) => servers.find((server) => server.name === name)?.condition !== "connected");
    if (!waiting.length) return;
    if (Date.now() > deadline) {
      const told = servers.map(({ name, condition, sentence }) => `  ${name}: ${condition}, ${sentence}`);
      throw new Stop(`not connected within ${connectedWithin / 1000} s: ${waiting.join(", ")}\n${told.join("\n")}\n${lastLines(core.log)}`);
    }
    await sleep(200);
  }
}

/** Ends the core in order; says how, and fails if it had to be killed. */
export async function endCore({ child, log }) {
  if (child.exitCode !== null) throw new Stop(`narthex serve had ended with ${child.exitCode}\n${lastLines(log)}`);
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const late = sleep(endedWithin, ["late"], { ref: false });
  const [code, signal] = await Promise.race([ended, late]);
  if (code === 0) return "exit code 0";
  child.kill("SIGKILL");
  throw new Stop(code === "late" ? `still there ${endedWithin / 1000} s after SIGTERM` : `ended with ${code ?? signal}\n${lastLines(log)}`);
}

function lastLines(file) {
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-20).join("\n");
}
