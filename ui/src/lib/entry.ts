// Makes an entry of what a person typed, and finds the field that the core complains about.
import { parseCommandLine } from "./commandLine";
import type { Entry } from "./paste";
import type { Refusal } from "./refusal";

export type Pair = { name: string; value: string };
export type Typed = { way: "command" | "url"; line: string; url: string; pairs: Pair[] };

export type Made = { entry: Entry; problem: null } | { entry: null; problem: string };

/** Returns the entry. Variables go to a program, headers to an address. */
export function makeEntry({ way, line, url, pairs }: Typed): Made {
  const given = pairs.filter(({ name }) => name.trim() !== "");
  const extra = Object.fromEntries(given.map(({ name, value }) => [name.trim(), value]));
  if (way === "url") {
    const address = url.trim();
    if (address === "") return { entry: null, problem: "Give the address, such as https://example.com/mcp." };
    return { entry: given.length > 0 ? { url: address, headers: extra } : { url: address }, problem: null };
  }
  const { words, problem } = parseCommandLine(line);
  if (words === null) return { entry: null, problem };
  const [command, ...args] = words;
  if (!command) return { entry: null, problem: "Give the command that starts the server." };
  const entry: Entry = { command };
  if (args.length > 0) entry.args = args;
  if (given.length > 0) entry.env = extra;
  return { entry, problem: null };
}

/** Returns a name for a server that was typed without one: the last telling word of what starts it. */
export function suggestedName({ way, line, url }: Typed): string {
  if (way === "url") return /^https?:\/\/(?:www\.)?([^/:.]+)/.exec(url.trim())?.[1] ?? "";
  const words = parseCommandLine(line).words ?? [];
  const runner = /^(npx|uvx|bunx|pipx|node|python3?|uv|deno|docker|npm)$/;
  const telling = words.find((word) => !word.startsWith("-") && !runner.test(word) && !/^(run|exec|x)$/.test(word));
  const last = telling?.split(/[\\/]/).at(-1) ?? "";
  return last.replace(/@[^@]*$/, "").replace(/^(mcp-)?server-|-mcp(-server)?$|\.(exe|js|mjs|py|sh)$/g, "");
}

export type Place = "name" | "command" | "url" | "pairs" | "entry";

/** Returns where a refusal belongs in the form, from `entry.args[0]` and the like. */
export function placeOf(refusal: Refusal): Place {
  const field = refusal.fields[0] ?? "";
  if (field === "name" || refusal.is("bad-name", "exists")) return "name";
  if (/^entry\.(command|args|cwd)/.test(field)) return "command";
  if (/^entry\.(url|httpUrl|serverUrl)/.test(field)) return "url";
  if (/^entry\.(env|headers)/.test(field)) return "pairs";
  return "entry";
}
