import { expect, test } from "vitest";
import { plainJson, readPasted } from "../src/lib/paste";

const files = { command: "npx", args: ["-y", "files"] };
const web = { url: "https://example.com/mcp" };

test.each([
  ["a whole file", `{"mcpServers": {"files": ${JSON.stringify(files)}}}`],
  ["VS Code's file", `{"servers": {"files": ${JSON.stringify(files)}}}`],
  ["VS Code's settings", `{"mcp": {"servers": {"files": ${JSON.stringify(files)}}}}`],
  ["a named entry in braces", `{"files": ${JSON.stringify(files)}}`],
  ["a piece of a file", `"files": ${JSON.stringify(files)}`],
  ["a piece of a file with its comma", `  "files": ${JSON.stringify(files)},\n`],
  ["the container as a piece", `"mcpServers": {"files": ${JSON.stringify(files)}}`],
  ["comments and trailing commas", `{ // mine\n"mcpServers": {"files": {"command": "npx", /* x */ "args": ["-y", "files",],},},}`],
])("%s", (_, text) => {
  expect(readPasted(text)).toEqual({ kind: "named", entries: [["files", files]] });
});

test("several servers", () => {
  const text = JSON.stringify({ mcpServers: { files, web } });
  expect(readPasted(text)).toEqual({ kind: "named", entries: [["files", files], ["web", web]] });
});

test("an entry without a name", () => {
  expect(readPasted(JSON.stringify(files))).toEqual({ kind: "unnamed", entry: files });
  expect(readPasted(`"command": "npx", "args": ["-y", "files"]`)).toEqual({ kind: "unnamed", entry: files });
});

test("what the core has to judge is passed on as it is", () => {
  expect(readPasted('{"x": {"command": 3, "odd": null}}')).toEqual({ kind: "named", entries: [["x", { command: 3, odd: null }]] });
});

test.each([
  ["npx -y server", "command line"],
  ['{"mcpServers": {}}', "no server"],
  ['{"mcpServers": {"x": "npx"}}', "“x”"],
  ['{"x": {"args": []}}', "“command”"],
  ['{"x": {"command": ', "no JSON"],
  ["[1]", "no JSON"],
])("%s is said to be of no use", (text, part) => {
  const pasted = readPasted(text);
  expect(pasted.kind === "unreadable" && pasted.message).toContain(part);
});

test("nothing is no error", () => {
  expect(readPasted(" \n")).toEqual({ kind: "empty" });
});

test("comments and commas inside texts stay", () => {
  const text = '{"a": "http://x/*y*/,}", "b": "\\"// no"}';
  expect(plainJson(text)).toBe(text);
});
