// Reads what people paste: entries of MCP servers as other programs' READMEs show them.
import type { JsonValue } from "../bindings";

export type Entry = { [key in string]: JsonValue };
export type Pasted =
  | { kind: "empty" }
  | { kind: "unreadable"; message: string }
  /** An entry without a name: the person gives one. */
  | { kind: "unnamed"; entry: Entry }
  | { kind: "named"; entries: [name: string, entry: Entry][] };

/** The keys under which programs keep their servers. */
const containers = ["mcpServers", "servers", "mcp_servers", "context_servers"];

export function readPasted(text: string): Pasted {
  const trimmed = text.trim();
  if (trimmed === "") return { kind: "empty" };
  // A piece out of the middle of a file: `"name": {…}`, perhaps several, perhaps with a comma after.
  const json = trimmed.startsWith("{") ? trimmed : `{${trimmed}}`;
  let value: unknown;
  try {
    value = JSON.parse(plainJson(json));
  } catch (error) {
    return { kind: "unreadable", message: explained(error, trimmed) };
  }
  return isObject(value) ? found(value) : { kind: "unreadable", message: "This is no object in braces." };
}

function found(value: Entry): Pasted {
  for (const container of containers) {
    const inner = value[container];
    if (isObject(inner)) return named(inner);
  }
  if (isObject(value.mcp)) return found(value.mcp);
  if (isEntry(value)) return { kind: "unnamed", entry: value };
  return named(value);
}

function named(value: Entry): Pasted {
  const entries: [string, Entry][] = [];
  for (const [name, entry] of Object.entries(value)) {
    if (!isObject(entry)) return { kind: "unreadable", message: `“${name}” is no entry of a server: it has no braces.` };
    if (!isEntry(entry)) {
      return { kind: "unreadable", message: `“${name}” has neither a “command” nor a “url”.` };
    }
    entries.push([name, entry]);
  }
  if (entries.length === 0) return { kind: "unreadable", message: "There is no server in it." };
  return { kind: "named", entries };
}

const isEntry = (value: Entry) => ["command", "url", "httpUrl", "serverUrl"].some((key) => key in value);

function isObject(value: unknown): value is Entry {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function explained(error: unknown, text: string): string {
  if (!/[{:]/.test(text)) return "This is no JSON. A command line goes under “Command”.";
  return `This is no JSON: ${(error as Error).message}`;
}

/** Takes comments and trailing commas out, which READMEs and editors' files have, and texts keep. */
export function plainJson(text: string): string {
  const tokens = /"(?:\\.|[^"\\])*"|\/\/[^\n]*|\/\*[\s\S]*?\*\/|,(?=(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*[}\]])/g;
  return text.replace(tokens, (token) => (token.startsWith('"') ? token : " "));
}
