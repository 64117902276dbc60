import { expect, test } from "vitest";
import { parseCommandLine, shellHint } from "../src/lib/commandLine";

test.each([
  ["npx -y server /srv", ["npx", "-y", "server", "/srv"]],
  ["  spaced \t out  ", ["spaced", "out"]],
  [`a "b c" 'd e'`, ["a", "b c", "d e"]],
  [`a "" ''`, ["a", "", ""]],
  [`--key="a b" x'y'z`, ["--key=a b", "xyz"]],
  [`"say \\"hi\\"" 'it"s'`, ['say "hi"', 'it"s']],
  [`a\\ b c\\"d`, ["a b", 'c"d']],
  ["C:\\tools\\server.exe D:\\data", ["C:\\tools\\server.exe", "D:\\data"]],
  [`"C:\\Program Files\\server.exe" x`, ["C:\\Program Files\\server.exe", "x"]],
  ["a $HOME | b > c", ["a", "$HOME", "|", "b", ">", "c"]],
  ["", []],
])("%j", (line, words) => {
  expect(parseCommandLine(line)).toEqual({ words, problem: null });
});

test("an open quote is a problem", () => {
  expect(parseCommandLine(`a "b`).problem).toContain('"');
  expect(parseCommandLine("it's").problem).toContain("'");
});

test("what a shell would do is said", () => {
  expect(shellHint(["a", "&&", "b"])).toContain("&&");
  expect(shellHint(["a", "$HOME/x"])).toContain("$HOME");
  expect(shellHint(["a", "~/x"])).toContain("~/x");
  expect(shellHint(["a", "${env:TOKEN}", "x>y"])).toBeNull();
});
