import { expect, test, vi } from "vitest";
import { makeEntry, placeOf, suggestedName } from "../src/lib/entry";
import { parts, sentence } from "../src/lib/prose";
import { Refusal, asRefusal } from "../src/lib/refusal";
import { parseRoute, serverRoute } from "../src/lib/routes";
import { snippets } from "../src/lib/snippets";
import { elapsed } from "../src/lib/time";
import { takeToken } from "../src/lib/token";

test("routes lead to their pages and back", () => {
  for (const name of ["demo", "a/b c", "ü%", "..."]) {
    expect(parseRoute(serverRoute(name, "logs"))).toEqual({ page: "server", name, tab: "logs" });
    expect(parseRoute(serverRoute(name))).toEqual({ page: "server", name, tab: "overview" });
  }
  expect(parseRoute("")).toEqual({ page: "servers" });
  expect(parseRoute("#/nowhere")).toEqual({ page: "servers" });
  expect(parseRoute("#/servers/%E0/x")).toEqual({ page: "server", name: "%E0", tab: "overview" });
});

test("a token is taken out of the address at once", () => {
  const replaceState = vi.fn();
  const at = (hash: string) => ({ hash, pathname: "/ui/", search: "" }) as Location;
  const history = { replaceState } as unknown as History;
  expect(takeToken(at("#token=narthex_control_abc"), history)).toBe("narthex_control_abc");
  expect(replaceState).toHaveBeenCalledWith(null, "", "/ui/#/servers");
  expect(takeToken(at("#/servers"), history)).toBeNull();
  expect(replaceState).toHaveBeenCalledTimes(1);
});

test("times as people read them", () => {
  expect([0, 4_230, 59_900, 185_000, 7_800_000, 400_000_000].map(elapsed)).toEqual(["0.0 s", "4.2 s", "59 s", "3 min 05 s", "2 h 10 min", "4 d"]);
});

test("sentences of fragments, and names in them", () => {
  expect(sentence("server `a` is off")).toBe("Server `a` is off.");
  expect(sentence("Is it?")).toBe("Is it?");
  expect(parts("see `a b`, `c")).toEqual([
    { code: false, text: "see " },
    { code: true, text: "a b" },
    { code: false, text: ", `c" },
  ]);
});

test("an entry of what was typed", () => {
  const pairs = [{ name: " KEY ", value: "v" }, { name: "", value: "left out" }];
  const typed = { way: "command", line: "npx -y 'a b'", url: "", pairs } as const;
  expect(makeEntry({ ...typed, pairs: [...pairs] }).entry).toEqual({ command: "npx", args: ["-y", "a b"], env: { KEY: "v" } });
  expect(makeEntry({ way: "url", line: "", url: " https://x/mcp ", pairs: [...pairs] }).entry).toEqual({ url: "https://x/mcp", headers: { KEY: "v" } });
  expect(makeEntry({ ...typed, line: " ", pairs: [] }).problem).toContain("command");
});

test("a name is suggested", () => {
  const named = (line: string) => suggestedName({ way: "command", line, url: "", pairs: [] });
  expect(named("npx -y @modelcontextprotocol/server-filesystem /srv")).toBe("filesystem");
  expect(named("uvx mcp-server-git@1.2")).toBe("git");
  expect(named("/opt/tools/weather.exe")).toBe("weather");
  expect(suggestedName({ way: "url", line: "", url: "https://mcp.example.com/v1", pairs: [] })).toBe("mcp");
});

test("a refusal is shown at its field", () => {
  const at = (...fields: string[]) => placeOf(new Refusal("bad-entry", "", "", fields));
  expect([at("entry.args[0]"), at("entry.url"), at("entry.env.X"), at("name"), at("entry.type"), at()]).toEqual(["command", "url", "pairs", "name", "entry", "entry"]);
});

test("whatever is thrown becomes a refusal", () => {
  expect(asRefusal({ kind: "epoch_changed", message: "m", remedy: "r" }).is("epoch-changed")).toBe(true);
  expect(asRefusal(new TypeError("no")).kind).toBe("internal");
});

test("what to paste names the address and the credential", () => {
  const all = snippets("127.0.0.1:7411", "narthex_client_x");
  const speaking = all.filter(({ client }) => client !== "Claude Desktop");
  expect(speaking).toHaveLength(4);
  for (const { text } of speaking) {
    expect(text).toContain("http://127.0.0.1:7411/mcp");
    expect(text).toContain("Bearer narthex_client_x");
  }
  expect(JSON.parse(all.find(({ client }) => client === "VS Code")?.text ?? "")).toHaveProperty("servers.narthex.type", "http");
});
