// Runs other programs: in sight, quietly for their output, or in the foreground in our place.
import { spawn, spawnSync } from "node:child_process";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import { root } from "./paths.mjs";
import { Stop } from "./say.mjs";

/** Runs a program with our output and resolves to its exit code. */
export function run(program, args, options = {}) {
  return finished(start(program, args, { stdio: ["ignore", "inherit", "inherit"], ...options }));
}

/**
 * Runs a program with our output, gives each line to `onLine` too. Both of the program's streams
 * come through one pipe, so that they stay in order; only on Windows its stderr comes beside it.
 */
export function runAndRead(program, args, onLine, options = {}) {
  const joined = process.platform === "win32" ? [program, args] : ["sh", ["-c", 'exec "$0" "$@" 2>&1', program, ...args]];
  const child = start(...joined, { stdio: ["ignore", "pipe", "inherit"], ...options });
  createInterface({ input: child.stdout }).on("line", (line) => {
    console.log(line);
    onLine(line);
  });
  return finished(child);
}

/** Runs a program, stops the script if it fails. */
export async function must(program, args, options) {
  const code = await run(program, args, options);
  if (code !== 0) throw new Stop(`\`${[program, ...args].join(" ")}\` ended with ${code}.`);
}

/** Returns what a program prints, or null if it is missing or fails. Silent. */
export function output(program, args, options = {}) {
  const done = spawnSync(program, args, { cwd: root, encoding: "utf8", ...options });
  return done.status === 0 ? done.stdout.trim() : null;
}

/**
 * Runs a program in our place: our terminal, our signals, its exit code.
 *
 * A Ctrl-C on a terminal reaches the program without our help, so it is passed on only where there
 * is no terminal: a second one would ask the program to hurry.
 */
export function inForeground(program, args, options = {}) {
  const child = start(program, args, { stdio: "inherit", ...options });
  const passOn = (signal) => {
    if (signal === "SIGINT" && process.stdin.isTTY) return;
    child.kill(signal);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, passOn);
  if (process.env.npm_lifecycle_event) onceOrphaned(() => child.kill("SIGTERM"));
  return finished(child);
}

/**
 * npm puts a shell between itself and us, and passes signals to that shell, which dies of them
 * without a word to us. So an `npm start` that is ended shows here as another parent.
 */
function onceOrphaned(act) {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    act();
  }, 500);
  watch.unref();
}

function start(program, args, options) {
  return spawn(program, args, { cwd: root, ...options, env: { ...process.env, ...options.env } });
}

function finished(child) {
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new Stop(`failed to run ${child.spawnfile}: ${error.message}`)));
    child.on("close", (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}
