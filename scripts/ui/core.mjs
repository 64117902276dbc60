// `narthex serve` on a home of its own, and the page before it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const readyWithin = 30_000;

/** Starts a core as a person would who tries it first: a fresh home has the two demo servers. */
export async function startCore(binary, home, listen = "127.0.0.1:0") {
  const args = ["serve", "--home", home, "--listen", listen, "--json"];
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", "ignore"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const line = new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`narthex serve ended with ${code} before it was ready`)));
  });
  const late = sleep(readyWithin, null, { ref: false }).then(() => {
    throw new Error(`narthex serve was not ready within ${readyWithin / 1000} s`);
  });
  const { listening } = JSON.parse(await Promise.race([line, late]));
  const control = readFileSync(join(home, "control.token"), "utf8").trim();
  return new Core(child, listening, control, kill);
}

class Core {
  constructor(child, listening, control, kill) {
    Object.assign(this, { child, listening, control, kill });
  }

  get headers() {
    return { Authorization: `Bearer ${this.control}`, "Content-Type": "application/json" };
  }

  /** Asks REST as another surface would; returns what it answers. */
  async ask(method, path, body) {
    const init = { method, headers: this.headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await fetch(`http://${this.listening}/api/v1${path}`, init);
    const answer = response.status === 204 ? null : await response.json();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${answer?.detail}`);
    return answer;
  }

  /** Follows the events until a server is in this condition. */
  async until(name, condition) {
    const stop = new AbortController();
    const late = setTimeout(() => stop.abort(), readyWithin);
    try {
      const events = await fetch(`http://${this.listening}/api/v1/events`, { headers: this.headers, signal: stop.signal });
      const { servers } = await this.ask("GET", "/servers");
      if (servers.find((server) => server.name === name)?.condition === condition) return;
      let text = "";
      for await (const chunk of events.body.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        const told = [...text.matchAll(/^data: (.*)\n\n/gm)].map(([, data]) => JSON.parse(data));
        if (told.some(({ server }) => server?.name === name && server.condition === condition)) return;
      }
    } catch (error) {
      throw new Error(`${name} was not ${condition} within ${readyWithin / 1000} s`, { cause: error });
    } finally {
      clearTimeout(late);
      stop.abort();
    }
  }

  async end(signal = "SIGTERM") {
    process.off("exit", this.kill);
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill(signal);
    await ended;
  }
}
