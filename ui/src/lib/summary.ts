// The sentence above the list, and what stands in the strip below it.
import type { Problem, Server } from "../bindings";
import { type Want, want } from "./conditions";

export function summary(servers: readonly Server[], paused: boolean): string {
  if (servers.length === 0) return "No servers yet";
  if (paused) return "Paused";
  const wanted = servers.filter(isWanted);
  if (wanted.length === 0) return "Nothing to connect";
  const connected = wanted.filter(({ condition }) => condition === "connected").length;
  return `${connected} of ${wanted.length} connected`;
}

/** Wanted: approved, not off, not disconnected. */
function isWanted({ condition, wish }: Server): boolean {
  return wish === "connected" && !["off", "not_valid", "in_quarantine", "disconnected", "closing"].includes(condition);
}

export type Attention = {
  want: Want | "file";
  sentence: string;
  /** The one server concerned; null where there are several, or none. */
  server: string | null;
};

const order: readonly Want[] = ["failed", "not_valid", "sign_in", "review"];

const sentences: Record<Want, (names: string, count: number) => string> = {
  failed: (names) => `${names} failed and will not be tried again by itself.`,
  not_valid: (names, count) => `${names} cannot be used as ${count > 1 ? "they stand" : "it stands"} in the file.`,
  sign_in: (names, count) => `${names} ${count > 1 ? "want" : "wants"} you to sign in.`,
  review: (names, count) => `${names} ${count > 1 ? "wait" : "waits"} for your review.`,
};

/** Returns what needs a person, the most urgent first, at most two lines. */
export function attention(servers: readonly Server[], problems: readonly Problem[]): Attention[] {
  const lines: Attention[] = [];
  const ofFile = problems.filter(({ server }) => server === null);
  if (ofFile[0]) {
    const more = ofFile.length > 1 ? ` (and ${ofFile.length - 1} more)` : "";
    const { line, message } = ofFile[0];
    lines.push({ want: "file", sentence: `narthex.json${line ? `, line ${line}` : ""}: ${message}${more}`, server: null });
  }
  for (const wanted of order) {
    const names = servers.filter((server) => want(server) === wanted).map(({ name }) => name);
    if (names.length === 0) continue;
    const sentence = sentences[wanted](listed(names), names.length);
    lines.push({ want: wanted, sentence, server: names.length === 1 ? (names[0] ?? null) : null });
  }
  return lines.slice(0, 2);
}

/** Returns `a`, `a and b`, `a, b and 3 others`. */
export function listed(names: readonly string[]): string {
  if (names.length <= 1) return names[0] ?? "";
  if (names.length <= 3) return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  return `${names.slice(0, 2).join(", ")} and ${names.length - 2} others`;
}

export function needing(servers: readonly Server[]): number {
  return servers.filter((server) => want(server) !== null).length;
}
