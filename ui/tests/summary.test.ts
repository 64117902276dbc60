import { expect, test } from "vitest";
import type { Condition, Problem, Server } from "../src/bindings";
import { everyCondition, server } from "../src/gallery/fixtures";
import { attention, listed, needing, summary } from "../src/lib/summary";

const of = (...conditions: Condition[]): Server[] => conditions.map((condition, at) => server({ name: `s${at}`, condition }));

test.each<[string, Server[], boolean]>([
  ["No servers yet", [], false],
  ["No servers yet", [], true],
  ["Paused", of("paused", "paused"), true],
  ["Nothing to connect", of("off", "in_quarantine", "not_valid"), false],
  ["Nothing to connect", [server({ name: "a", condition: "disconnected", wish: "disconnected" })], false],
  ["2 of 3 connected", of("connected", "connected", "failed", "off"), false],
  ["1 of 5 connected", of("connected", "connecting", "retrying", "sign_in_needed", "asleep", "in_quarantine"), false],
])("%s", (sentence, servers, paused) => {
  expect(summary(servers, paused)).toBe(sentence);
});

test("the strip has the most urgent two lines", () => {
  const lines = attention(everyCondition(), []);
  expect(lines.map(({ want, server }) => [want, server])).toEqual([["failed", "postgres"], ["not_valid", "weather"]]);
});

test("servers with the same want share a line", () => {
  const waiting = ["a", "b", "c", "d"].map((name) => server({ name, condition: "in_quarantine", action: "approve" }));
  expect(attention(waiting, [])).toEqual([{ want: "review", sentence: "a, b and 2 others wait for your review.", server: null }]);
  expect(attention(waiting.slice(0, 1), [])).toEqual([{ want: "review", sentence: "a waits for your review.", server: "a" }]);
});

test("a problem of the file comes first, one of a server with its server", () => {
  const problem: Problem = { file: "narthex.json", line: 3, column: 1, server: null, field: null, message: "a brace is missing", remedy: "" };
  expect(attention([], [problem, problem])[0]?.sentence).toBe("narthex.json, line 3: a brace is missing (and 1 more)");
  expect(attention([], [{ ...problem, server: "a" }])).toEqual([]);
});

test("nobody is called when all is well", () => {
  const calm = of("connected", "retrying", "disconnected", "off", "paused");
  expect(attention(calm, [])).toEqual([]);
  expect(needing(calm)).toBe(0);
});

test("names in a sentence", () => {
  expect([listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"]), listed(["a", "b", "c", "d"])]).toEqual([
    "",
    "a",
    "a and b",
    "a, b and c",
    "a, b and 2 others",
  ]);
});
