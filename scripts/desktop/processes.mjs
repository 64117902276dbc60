// Who descends from whom, as /proc tells it: for tests that no process is left, and for figures.
import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Returns every process that can be read: `{ pid, parent, started, name, command, home, byBus }`. */
export function processes() {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).map(process_).filter(Boolean);
}

function process_(pid) {
  try {
    const { state, parent, started } = stat(pid);
    // A zombie has ended; only its parent has not asked yet.
    if (state === "Z") return null;
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    const home = environment.find((line) => line.startsWith("NARTHEX_HOME="))?.slice("NARTHEX_HOME=".length);
    // The bus marks so what it starts, at whose wish ever, and then leaves it to process 1.
    const byBus = environment.some((line) => line.startsWith("DBUS_STARTER_ADDRESS="));
    return { pid, parent, started, name: basename(command[0] ?? ""), command, home, byBus };
  } catch {
    return null; // It ended while it was read, or is another person's.
  }
}

/** The name in parentheses may hold spaces and parentheses itself, so fields count from the last one. */
function stat(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0], parent: Number(fields[1]), started: fields[19] };
}

/** Returns a process and all that descend from it. */
export function familyOf(pid, all = processes()) {
  const family = all.filter((one) => one.pid === pid);
  for (const member of family) family.push(...all.filter((one) => one.parent === member.pid));
  return family;
}

/** Returns all whose environment names this home, and all that descend from them. */
export function ofHome(home, all = processes()) {
  return union(all.filter((one) => one.home === home).flatMap((one) => familyOf(one.pid, all)));
}

export const union = (list) => [...new Map(list.map((one) => [one.pid, one])).values()];

/** Whether this very process still runs; a number used again is another one. */
export function isRunning({ pid, started }) {
  try {
    const found = stat(pid);
    return found.started === started && found.state !== "Z";
  } catch {
    return false;
  }
}

/** Waits until all have ended; returns those that have not by then. */
export async function endedWithin(list, milliseconds) {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const left = list.filter(isRunning);
    if (!left.length || Date.now() > deadline) return left;
    await sleep(20); // Nothing tells of the end of a process that is not a child.
  }
}

export const shown = ({ pid, command }) => `${pid} ${command.join(" ")}`.slice(0, 120);
