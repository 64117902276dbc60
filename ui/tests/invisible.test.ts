import { expect, test } from "vitest";
import { hasUnseen, pieces, withoutColours } from "../src/lib/invisible";

const codes = (text: string) => pieces(text).flatMap((piece) => (piece.kind === "boxed" ? [piece.code] : []));
const whole = (text: string) =>
  pieces(text)
    .map((piece) => (piece.kind === "text" ? piece.text : String.fromCodePoint(parseInt(piece.code.slice(2), 16))))
    .join("");

test("text that everybody sees is one piece", () => {
  for (const text of ["plain", "Zwölf Boxkämpfer", "日本語", "עברית", "a\tb\nc", "e\u0301", "👍🏽", "<b>&amp;</b>"]) {
    expect(pieces(text), text).toEqual([{ kind: "text", text }]);
  }
  expect(pieces("")).toEqual([]);
});

test("every kind of unseen character is boxed", () => {
  const unseen = {
    "zero width": "\u200B",
    "zero width joiner": "\u200D",
    "byte order mark": "\uFEFF",
    "right-to-left override": "\u202E",
    "isolate": "\u2066",
    "Arabic letter mark": "\u061C",
    "soft hyphen": "\u00AD",
    "no-break space": "\u00A0",
    "em space": "\u2003",
    "ideographic space": "\u3000",
    "line separator": "\u2028",
    "escape": "\u001B",
    "carriage return": "\r",
    "null": "\0",
    "C1 control": "\u0085",
    "tag": "\u{E0041}",
    "variation selector": "\uFE0F",
    "variation selector supplement": "\u{E0100}",
    "Hangul filler": "\u3164",
    "combining grapheme joiner": "\u034F",
    "interlinear annotation": "\uFFF9",
    "blank Braille": "\u2800",
    "private use": "\uE000",
    "unassigned": "\u0378",
    "half of a pair": "\uD800",
  };
  for (const [what, character] of Object.entries(unseen)) {
    expect(codes(`a${character}b`), what).toHaveLength(1);
    expect(hasUnseen(character), what).toBe(true);
  }
});

test("boxes stand where the characters stood, and nothing is lost", () => {
  expect(pieces("a\u200b\u202eb")).toEqual([
    { kind: "text", text: "a" },
    { kind: "boxed", code: "U+200B", name: "zero width space" },
    { kind: "boxed", code: "U+202E", name: "right-to-left override" },
    { kind: "text", text: "b" },
  ]);
  const text = "x\u{E0049}\u{E0067}y\u00a0z\u200d";
  expect(codes(text)).toEqual(["U+E0049", "U+E0067", "U+00A0", "U+200D"]);
  expect(whole(text)).toBe(text);
});

test("asking twice gives the same answer", () => {
  expect([hasUnseen("a\u200b"), hasUnseen("a\u200b")]).toEqual([true, true]);
});

test("a log line loses its colours and keeps other escapes", () => {
  expect(withoutColours("\u001b[1;32mgreen\u001b[0m \u001b]0;title\u0007")).toBe("green \u001b]0;title\u0007");
});
