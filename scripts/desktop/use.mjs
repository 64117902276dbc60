// What processes use of the machine, as Linux counts it.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Linux reports CPU time in ticks of 10 ms wherever programs can see it. */
const ticksPerSecond = 100;
const quietFor = 2_000;

/** Waits until the processes that `pids()` lists have used no CPU for two seconds; returns whether they came to that. */
export async function settled(pids, within = 60_000) {
  const deadline = Date.now() + within;
  const cpu = () => pids().reduce((sum, pid) => sum + ticks(pid), 0);
  let [last, since] = [cpu(), Date.now()];
  while (Date.now() - since < quietFor) {
    if (Date.now() > deadline) return false;
    await sleep(250);
    const now = cpu();
    if (now !== last) [last, since] = [now, Date.now()];
  }
  return true;
}

/** Watches a process for some seconds; memory is that of their end, in MiB. */
export async function watched(pids, seconds) {
  const before = new Map(pids.map((pid) => [pid, counted(pid)]));
  const begun = performance.now();
  await sleep(seconds * 1000);
  const took = (performance.now() - begun) / 1000;
  return new Map(pids.map((pid) => [pid, { ...memory(pid), ...rates(before.get(pid), counted(pid), took) }]));
}

function rates(before, after, seconds) {
  // A thread that began in between counts whole; what one that ended did is lost.
  const wakes = [...after.wakes].reduce((sum, [thread, count]) => sum + count - (before.wakes.get(thread) ?? 0), 0);
  return { wakes: wakes / seconds, cpu: (100 * (after.ticks - before.ticks)) / ticksPerSecond / seconds };
}

function counted(pid) {
  const threads = existsSync(`/proc/${pid}/task`) ? readdirSync(`/proc/${pid}/task`) : [];
  const wakes = (thread) => number(readOf(pid, `task/${thread}/status`), "voluntary_ctxt_switches");
  return { ticks: ticks(pid), wakes: new Map(threads.map((thread) => [thread, wakes(thread)])) };
}

function memory(pid) {
  const text = readOf(pid, "smaps_rollup");
  const mib = (name) => number(text, name) / 1024;
  return { private: mib("Private_Clean") + mib("Private_Dirty"), dirty: mib("Private_Dirty"), pss: mib("Pss") };
}

/** The private memory of processes, in MiB. */
export const privateMemory = (pids) => pids.reduce((sum, pid) => sum + memory(pid).private, 0);

const number = (text, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);

/** Empty for what has ended while it was listed. */
function readOf(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

/** utime and stime; the name in parentheses may hold spaces, so fields count from the last one. */
function ticks(pid) {
  const text = readOf(pid, "stat");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}
