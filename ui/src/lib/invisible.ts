// Text that a server wrote can hold characters that nobody sees: they hide instructions, or turn what
// stands beside them around. They are shown as boxed code points, so that what is read is what is there.

export type Piece = { kind: "text"; text: string } | { kind: "boxed"; code: string; name: string | null };

/**
 * Control, format, surrogate, private, unassigned and default-ignorable characters, separators, every
 * space that is not the plain one, and the blank Braille pattern. Line feed and tab are laid out.
 */
const unseen = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/gu;

const names: Record<number, string> = {
  0x00: "null",
  0x08: "backspace",
  0x0d: "carriage return",
  0x1b: "escape",
  0x7f: "delete",
  0xa0: "no-break space",
  0xad: "soft hyphen",
  0x200b: "zero width space",
  0x200c: "zero width non-joiner",
  0x200d: "zero width joiner",
  0x200e: "left-to-right mark",
  0x200f: "right-to-left mark",
  0x202a: "left-to-right embedding",
  0x202b: "right-to-left embedding",
  0x202c: "end of direction",
  0x202d: "left-to-right override",
  0x202e: "right-to-left override",
  0x2060: "word joiner",
  0x2066: "left-to-right isolate",
  0x2067: "right-to-left isolate",
  0x2068: "first strong isolate",
  0x2069: "end of isolate",
  0xfeff: "byte order mark",
};

export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(unseen)) {
    if (match.index > from) found.push({ kind: "text", text: text.slice(from, match.index) });
    found.push(boxed(match[0].codePointAt(0) ?? 0));
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push({ kind: "text", text: text.slice(from) });
  return found;
}

export function hasUnseen(text: string): boolean {
  return text.search(unseen) >= 0;
}

function boxed(point: number): Piece {
  const name = names[point] ?? family(point);
  return { kind: "boxed", code: `U+${point.toString(16).toUpperCase().padStart(4, "0")}`, name };
}

function family(point: number): string | null {
  if (point >= 0xe0000 && point <= 0xe007f) return "tag";
  if ((point >= 0xfe00 && point <= 0xfe0f) || (point >= 0xe0100 && point <= 0xe01ef)) return "variation selector";
  return null;
}

/** Takes the colour codes of a terminal out of a log line. */
export function withoutColours(line: string): string {
  return line.replace(/\u001b\[[0-9;]*m/g, "");
}
