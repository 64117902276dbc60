// Narthex's own sentences: they set `names and values` between backticks, and errors come as fragments.

export type Part = { code: boolean; text: string };

export function parts(text: string): Part[] {
  return text
    .split(/`([^`\n]*)`/)
    .map((text, at) => ({ code: at % 2 === 1, text }))
    .filter(({ text }) => text !== "");
}

/** Returns the sentence for one line, where there is no room for another typeface. */
export function plain(text: string): string {
  return text.replaceAll("`", "");
}

/** Makes a sentence of a fragment such as `server `a` is in quarantine`. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  if (trimmed === "") return "";
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?…]$/.test(trimmed) ? "" : ".");
}
