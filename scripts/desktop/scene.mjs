// What the pictures and the figures show: servers as somebody might have them.
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The command line's binary stands beside the desktop's, wherever that was built. */
export const cliBeside = (desktop) => join(dirname(desktop), "narthex");

/** Writes the configuration of a home; `servers` is a number of well ones, or a whole object. */
export function writeServers(session, desktop, servers) {
  const mcpServers = typeof servers === "number" ? wellOnes(desktop, servers) : servers;
  writeFileSync(join(session.narthexHome, "narthex.json"), JSON.stringify({ mcpServers }, null, 2));
  return Object.keys(mcpServers);
}

export const well = (desktop) => ({ command: cliBeside(desktop), args: ["demo"] });

/** Whether a process is a server of that kind: nothing of ours, whatever program it is. */
export const isServer = ({ command }) => command[1] === "demo";

const wellOnes = (desktop, count) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`server-${index + 1}`, well(desktop)]));

/** Most are well; one is off, one cannot be started. */
export const household = (desktop) => ({
  calendar: well(desktop),
  files: well(desktop),
  github: well(desktop),
  mail: well(desktop),
  notes: well(desktop),
  postgres: { command: "postgres-mcp" },
  search: well(desktop),
  team_wiki: { ...well(desktop), enabled: false },
  weather: well(desktop),
});

/** Waits until that has come out, and puts a server into quarantine, so that a person is wanted. */
export async function settleHousehold(app) {
  await app.conditions(["calendar", "files", "github", "mail", "notes", "search", "weather"], "connected");
  await app.conditions(["postgres"], "failed");
  app.cli("quarantine", "github");
  await app.conditions(["github"], "in_quarantine");
}
