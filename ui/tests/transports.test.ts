import { mockIPC } from "@tauri-apps/api/mocks";
import { afterEach, expect, test, vi } from "vitest";
import { Refusal } from "../src/lib/refusal";
import { RestTransport } from "../src/lib/rest";
import { tauriTransport } from "../src/lib/tauri";

afterEach(() => void vi.unstubAllGlobals());

function answering(status: number, body: unknown) {
  const fetch = vi.fn(async (_: string, __?: RequestInit) => new Response(JSON.stringify(body), { status }));
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

test("REST: the credential goes in a header, names are escaped", async () => {
  const fetch = answering(200, { command: "c", revision: 3 });
  await new RestTransport("secret").wish("a/b ü", "restart");
  const [address, init] = fetch.mock.calls[0] ?? [];
  expect(address).toBe("/api/v1/servers/a%2Fb%20%C3%BC/restart");
  expect(init?.method).toBe("POST");
  expect(init?.headers).toMatchObject({ Authorization: "Bearer secret" });
  expect(address).not.toContain("secret");
});

test("REST: problem details become a refusal", async () => {
  answering(422, { type: "urn:narthex:bad-entry", title: "", status: 422, detail: "d", remedy: "r", fields: ["entry.command"] });
  const refused = await new RestTransport("t").addServer("x", {}).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(Refusal);
  expect(refused).toMatchObject({ kind: "bad-entry", message: "d", remedy: "r", fields: ["entry.command"] });
});

test("REST: a network that is gone is told from a refusal", async () => {
  vi.stubGlobal("fetch", vi.fn(async () => Promise.reject(new TypeError("failed to fetch"))));
  const refused = await new RestTransport("t").status().catch((error: unknown) => error);
  expect(refused).toMatchObject({ kind: "unreachable" });
});

test("REST: events are told by their names, others are passed over", async () => {
  const stream = 'event: hello\ndata: {"instance":"i","revision":1}\n\nevent: future\ndata: {}\n\nevent: gap\ndata: {"revision":2}\n\n';
  vi.stubGlobal("fetch", vi.fn(async () => new Response(stream)));
  const told: unknown[] = [];
  const stop = await new Promise<() => void>((resolve) => {
    const stop = new RestTransport("t").follow({ told: (event) => void told.push(event), reached() {}, lost: () => resolve(stop) });
  });
  stop();
  expect(told).toEqual([
    { event: "hello", data: { instance: "i", revision: 1 } },
    { event: "gap", data: { revision: 2 } },
  ]);
});

type Asked = { channel?: { onmessage: (message: unknown) => void } } & Record<string, unknown>;

test("desktop: commands have the names and arguments of the contract", async () => {
  const asked: [string, Record<string, unknown>][] = [];
  mockIPC((command, args) => {
    asked.push([command, args as Record<string, unknown>]);
    return { command: "c", revision: 1 };
  });
  const transport = await tauriTransport();
  await transport.wish("a", "quarantine");
  await transport.approve("a", { launch: "L", epoch: 2 });
  await transport.addServer("n", { command: "x" });
  await transport.changeSettings({ log_level: "debug" });
  await transport.desktop?.changeAutostart(true);
  await transport.desktop?.answer("c", false);
  expect(asked).toEqual([
    ["wish", { name: "a", command: "quarantine" }],
    ["approve", { name: "a", approval: { launch: "L", epoch: 2 } }],
    ["add_server", { name: "n", entry: { command: "x" } }],
    ["change_settings", { patch: { log_level: "debug" } }],
    ["change_autostart", { enabled: true }],
    ["answer", { command: "c", approve: false }],
  ]);
});

test("desktop: events come through a channel, and end when asked", async () => {
  let channel: Asked["channel"];
  const stopped: unknown[] = [];
  mockIPC((command, args) => {
    const given = args as Asked;
    if (command === "stop_following") stopped.push(given.id);
    if (command === "follow") channel = given.channel;
    return 7;
  });
  const heard: string[] = [];
  const transport = await tauriTransport();
  const stop = transport.follow({
    told: ({ event }) => void heard.push(event),
    reached: () => void heard.push("reached"),
    lost: (reason) => void heard.push(`lost: ${reason}`),
  });
  channel?.onmessage({ event: "hello", data: { instance: "i", revision: 1 } });
  channel?.onmessage({ event: "lost", data: { message: "gone" } });
  stop();
  channel?.onmessage({ event: "gap", data: { revision: 1 } });
  await vi.waitFor(() => expect(stopped).toEqual([7]));
  expect(heard).toEqual(["reached", "hello", "lost: gone"]);
});

test("desktop: a command's error becomes a refusal where it is shown", async () => {
  mockIPC(() => Promise.reject({ kind: "launch_changed", message: "m", remedy: "r" }));
  const transport = await tauriTransport();
  await expect(transport.approve("a", {})).rejects.toMatchObject({ kind: "launch_changed" });
});

test("desktop: a bare list of clients is told as REST tells it", async () => {
  const cursor = { name: "cursor", added: "2026-11-20T08:00:00.000Z" };
  mockIPC(() => [cursor]);
  expect(await (await tauriTransport()).clients()).toEqual({ clients: [cursor] });
});
