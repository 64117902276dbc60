// The real clients: a process each, which is given one session after the other.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const script = (name) => fileURLToPath(new URL(`clients/${name}`, import.meta.url));

/** How long a whole session may take. */
const sessionWithin = 180_000;

/**
 * The clients, as data: the program that drives each; `reach`, for a bridge, returns the command line
 * by which an address is reached. `itself`: Narthex's own bridge, at the merged address only.
 */
export function clients(at, folder, { binary, home }) {
  const typescript = [at.node, script("ts1.mjs"), at.modules];
  const remote = ({ url, headers = {}, transport }) => ({
    command: at.node,
    args: [
      ...[at.remote, url, "--allow-http", "--silent", "--transport", `${transport}-only`],
      ...Object.entries(headers).flatMap(([name, value]) => ["--header", `${name}:${value}`]),
    ],
    env: () => ({ MCP_REMOTE_CONFIG_DIR: join(folder, "mcp-remote") }),
  });
  return [
    { name: "Inspector", program: [at.node, script("inspector.mjs"), at.newNode, at.inspector] },
    { name: "Python SDK", program: [at.python, script("sdk.py")] },
    { name: "TypeScript SDK 1", program: typescript },
    { name: "TypeScript SDK 2", program: [at.node, script("ts2.mjs"), at.modules] },
    { name: "mcp-remote", program: typescript, reach: remote },
    { name: "FastMCP", program: [at.python, script("fastmcp_client.py")] },
    { name: "narthex stdio", program: typescript, reach: () => ({ command: binary, args: ["stdio", "--home", home] }), itself: true },
  ];
}

/** A client's process. */
export class Driver {
  #child;
  #rows;
  #log;
  #kill = () => this.#child.kill();

  constructor({ name, program, reach, itself }, folder) {
    Object.assign(this, { name, reach, itself });
    this.#log = join(folder, `${name.replaceAll(" ", "-")}.log`);
    const env = { ...process.env, PYTHONWARNINGS: "ignore", FASTMCP_LOG_ENABLED: "false" };
    this.#child = spawn(program[0], program.slice(1), { stdio: ["pipe", "pipe", "pipe"], env });
    this.#child.stderr.pipe(createWriteStream(this.#log));
    this.#child.stdin.on("error", () => {}); // It has ended; its exit tells.
    process.once("exit", this.#kill);
    this.#rows = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Runs a session; resolves to a row for each step, `{ step, state, detail, ms }`. */
  async run(session) {
    this.#child.stdin.write(`${JSON.stringify(session)}\n`);
    const rows = session.steps.map((step) => ({ step, state: "failed", detail: "not reached", ms: 0 }));
    const late = setTimeout(this.#kill, sessionWithin);
    for (;;) {
      const { value, done } = await this.#rows.next();
      const row = done ? { done: true, error: `the client's process ended; see ${this.#log}` } : JSON.parse(value);
      if (row.done) {
        clearTimeout(late);
        return { rows, error: row.error ?? null };
      }
      rows[row.step] = { ...row, step: session.steps[row.step] };
    }
  }

  async end() {
    process.removeListener("exit", this.#kill);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.stdin.end();
    await once(this.#child, "exit");
  }
}
