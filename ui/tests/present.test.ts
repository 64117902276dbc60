import { expect, test } from "vitest";
import type { Envelope, ServerList, Status } from "../src/bindings";
import { server } from "../src/gallery/fixtures";
import { type Present, apply, fetched } from "../src/lib/present";

const status = (revision: number): Status => ({ instance: "a", revision, version: "0", pid: 1, address: "x", home: "/", since: "", paused: false, clients: 0, connected: 0, wanted: 0, loosened: [], problems: [] });
const list = (revision: number, ...names: string[]): ServerList => ({ instance: "a", revision, servers: names.map((name) => server({ name })) });
const changed = (revision: number, name: string, sentence = `at ${revision}`): Envelope => ({ event: "server", data: { revision, server: server({ name, sentence }) } });
const removed = (revision: number, name: string): Envelope => ({ event: "removed", data: { revision, name } });
const core = (revision: number, paused: boolean): Envelope => ({ event: "core", data: { revision, paused, clients: 1, problems: [] } });

const told = (present: Present, ...all: Envelope[]) => all.reduce(apply, present);
const sentence = (present: Present, name: string) => present.servers.get(name)?.sentence;

test("an event changes its server and the revision", () => {
  const present = told(fetched(status(4), list(4, "a", "b")), changed(5, "a"));
  expect(sentence(present, "a")).toBe("at 5");
  expect(sentence(present, "b")).toBe("Connected, 12 tools.");
  expect(present.revision).toBe(5);
});

test("an event that the fetch already knows changes nothing", () => {
  const start = fetched(status(4), list(4, "a"));
  expect(told(start, changed(4, "a"), changed(3, "a"), core(4, true), removed(4, "a"))).toBe(start);
});

test("events of one server in the wrong order end with the latest", () => {
  const present = told(fetched(status(4), list(4, "a")), changed(7, "a"), changed(6, "a"), changed(5, "a"));
  expect(sentence(present, "a")).toBe("at 7");
  expect(present.revision).toBe(7);
});

test("events of different servers do not hide one another", () => {
  const present = told(fetched(status(4), list(4, "a", "b")), changed(8, "a"), changed(6, "b"));
  expect(sentence(present, "b")).toBe("at 6");
  expect(present.revision).toBe(8);
});

test("a removed server is not brought back by what was told before", () => {
  const present = told(fetched(status(4), list(4, "a")), removed(9, "a"), changed(8, "a"));
  expect(present.servers.has("a")).toBe(false);
  expect(told(present, changed(10, "a")).servers.has("a")).toBe(true);
});

test("a server that was gone before the fetch is not brought back", () => {
  expect(told(fetched(status(6), list(6)), changed(4, "a")).servers.size).toBe(0);
});

test("pausing goes by its own revision", () => {
  const present = told(fetched(status(4), list(4, "a")), changed(9, "a"), core(8, true));
  expect(present.paused).toBe(true);
  expect(told(present, core(7, false)).paused).toBe(true);
});

test("the snapshot before stays as it was", () => {
  const before = fetched(status(4), list(4, "a"));
  told(before, changed(5, "a"), removed(6, "a"));
  expect(sentence(before, "a")).toBe("Connected, 12 tools.");
});

test("what was declined changes no server, and counts as told", () => {
  const start = fetched(status(4), list(4, "a"));
  const present = told(start, { event: "declined", data: { revision: 5, command: "c", name: "a", why: "answered_no" } });
  expect(present.servers).toBe(start.servers);
  expect(present.revision).toBe(5);
});
