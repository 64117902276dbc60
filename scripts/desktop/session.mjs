// A desktop session of its own: a screen nobody sees, a bus nobody else is on, a home that is new.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { Stop } from "../lib/say.mjs";
import { endedWithin, isRunning, ofHome } from "./processes.mjs";

const startsWithin = 20_000;
const endsWithin = 5_000;

/** The one way to make a session; `run` gets it, and nothing of it is left afterwards. */
export async function inSession(options, run) {
  const session = new Session(options);
  const killed = () => session.kill();
  // A signal would end us without a word to the session.
  const told = () => process.exit(1);
  process.once("exit", killed).once("SIGINT", told).once("SIGTERM", told);
  try {
    await session.start();
    return await run(session);
  } finally {
    await session.end();
    process.off("exit", killed).off("SIGINT", told).off("SIGTERM", told);
  }
}

class Session {
  #children = [];

  constructor({ screen = "1280x800x24", env = {} } = {}) {
    this.screen = screen;
    this.dir = mkdtempSync(join(tmpdir(), "narthex-desktop-"));
    this.home = this.#folder("home");
    this.narthexHome = this.#folder("narthex");
    // Nothing of the person's own session comes in but the way to programs.
    this.env = {
      PATH: process.env.PATH,
      LANG: "C.UTF-8",
      HOME: this.home,
      XDG_RUNTIME_DIR: this.#folder("run"),
      NARTHEX_HOME: this.narthexHome,
      NO_AT_BRIDGE: "1",
      GSETTINGS_BACKEND: "memory",
      GDK_BACKEND: "x11",
      LIBGL_ALWAYS_SOFTWARE: "1",
      ...env,
    };
  }

  #folder(name) {
    const folder = join(this.dir, name);
    mkdirSync(folder, { mode: 0o700 });
    return folder;
  }

  async start() {
    const arguments_ = ["-displayfd", "3", "-screen", "0", this.screen, "-nolisten", "tcp", "-noreset"];
    const display = this.spawn("Xvfb", arguments_, ["ignore", "ignore", "log", "pipe"]);
    this.env.DISPLAY = `:${await firstLine(display, display.stdio[3])}`;
    const bus = this.spawn("dbus-daemon", ["--session", "--nofork", "--print-address=1"], ["ignore", "pipe", "log"]);
    this.env.DBUS_SESSION_BUS_ADDRESS = await firstLine(bus, bus.stdout);
  }

  /** Starts a program that lives no longer than the session; `"log"` in stdio is the file of `logOf`. */
  spawn(program, args = [], stdio = ["ignore", "log", "log"]) {
    const log = openSync(this.#logFile(program), "a");
    const child = spawn(program, args, { cwd: this.home, env: this.env, stdio: stdio.map((to) => (to === "log" ? log : to)) });
    closeSync(log);
    child.on("error", (error) => (child.failure = error));
    this.#children.push(child);
    return child;
  }

  /** Runs a program to its end and returns what it printed; throws if it failed. */
  output(program, args = [], options = {}) {
    const done = spawnSync(program, args, { cwd: this.home, encoding: "utf8", timeout: startsWithin, ...options, env: this.env });
    if (done.status === 0) return typeof done.stdout === "string" ? done.stdout.trim() : done.stdout;
    throw new Stop(`\`${[program, ...args].join(" ")}\` ${done.error?.message ?? `ended with ${done.status}`}\n${done.stderr}`);
  }

  /** Starts a program and resolves once it owns its name on the bus. */
  async own(name, program, args = []) {
    const child = this.spawn(program, args);
    this.output("gdbus", ["wait", "--session", "--timeout", String(startsWithin / 1000), name]);
    return child;
  }

  logOf(program) {
    return readFileSync(this.#logFile(program), "utf8");
  }

  #logFile = (program) => join(this.dir, `${program.split("/").at(-1)}.log`);

  /** Ends all that was started, the last first; then whatever else was started here. */
  async end() {
    for (const child of this.#children.reverse()) {
      child.kill("SIGTERM");
      await Promise.race([ended(child), sleep(endsWithin, null, { ref: false })]);
    }
    this.kill();
    await endedWithin(this.strays(), endsWithin);
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Whatever was started in this session, by whomever, and still runs. */
  strays() {
    return ofHome(this.narthexHome).filter(isRunning);
  }

  kill() {
    for (const { pid } of this.strays()) signal(pid, "SIGKILL");
  }
}

/** Returns whether it was there to be told. */
export function signal(pid, name) {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Resolves to the exit code, or the signal, once a child has ended. */
export async function ended(child) {
  const runs = child.exitCode === null && child.signalCode === null && !child.failure;
  if (runs) await once(child, "exit").catch(() => {}); // A failure to start is in `failure`.
  return child.exitCode ?? child.signalCode ?? child.failure.message;
}

async function firstLine(child, stream) {
  const line = once(createInterface({ input: stream }), "line").then(([text]) => text);
  const early = ended(child).then((how) => Promise.reject(new Stop(`${child.spawnfile} ended at once: ${how}`)));
  const late = sleep(startsWithin, null, { ref: false }).then(() => Promise.reject(new Stop(`${child.spawnfile} says nothing`)));
  try {
    return await Promise.race([line, early, late]);
  } finally {
    for (const unused of [early, late]) unused.catch(() => {});
  }
}
