// What processes use of the machine, as Linux counts it.
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Linux reports CPU time in ticks of 10 ms wherever programs can see it. */
const ticksPerSecond = 100;
const quietFor = 2_000;

/** Waits until these processes have used no CPU for two seconds. */
export async function settled(pids, within = 60_000) {
  const deadline = Date.now() + within;
  let [last, since] = [cpu(pids), Date.now()];
  while (Date.now() - since < quietFor) {
    if (Date.now() > deadline) return false;
    await sleep(250);
    const now = cpu(pids);
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
  const threads = readdirSync(`/proc/${pid}/task`);
  return { ticks: ticks(pid), wakes: new Map(threads.map((thread) => [thread, wakesOf(pid, thread)])) };
}

function wakesOf(pid, thread) {
  try {
    return number(readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8"), "voluntary_ctxt_switches");
  } catch {
    return 0; // The thread ended while they were listed.
  }
}

function memory(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const mib = (name) => number(text, name) / 1024;
  return { private: mib("Private_Clean") + mib("Private_Dirty"), pss: mib("Pss") };
}

/** The private memory of processes, in MiB. */
export const privateMemory = (pids) => pids.reduce((sum, pid) => sum + memory(pid).private, 0);

const number = (text, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)[1]);
const cpu = (pids) => pids.reduce((sum, pid) => sum + ticks(pid), 0);

/** utime and stime; the name in parentheses may hold spaces, so fields count from the last one. */
function ticks(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
