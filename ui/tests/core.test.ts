import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ServerList } from "../src/bindings";
import { server } from "../src/gallery/fixtures";
import { Scripted } from "../src/gallery/scripted";
import { Core } from "../src/lib/core.svelte";
import { Refusal } from "../src/lib/refusal";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const settle = () => vi.advanceTimersByTimeAsync(0);

async function started(...names: string[]) {
  const transport = new Scripted(names.map((name) => server({ name })));
  const core = new Core(transport);
  core.start();
  await settle();
  return { transport, core };
}

/** Holds the next answer of `servers` back until it is let go. */
function held(transport: Scripted) {
  let letGo: (list: ServerList) => void = () => undefined;
  const answer = new Promise<ServerList>((resolve) => (letGo = resolve));
  const spy = vi.spyOn(transport, "servers").mockImplementationOnce(() => answer);
  return { letGo, spy };
}

test("it subscribes before it fetches", async () => {
  const transport = new Scripted([server({ name: "a" })]);
  const order: string[] = [];
  vi.spyOn(transport, "status").mockImplementation(async () => {
    order.push("fetch");
    return Scripted.prototype.status.call(transport);
  });
  const follow = transport.follow.bind(transport);
  vi.spyOn(transport, "follow").mockImplementation((follower) => {
    order.push("follow");
    return follow(follower);
  });
  new Core(transport).start();
  await settle();
  expect(order).toEqual(["follow", "fetch"]);
});

test("what is told while it fetches is not lost, and not overwritten by the older answer", async () => {
  const { transport, core } = await started("a");
  const { letGo } = held(transport);
  transport.tell({ event: "gap", data: { revision: 5 } });
  transport.tell({ event: "server", data: { revision: 7, server: server({ name: "a", sentence: "newer" }) } });
  transport.tell({ event: "server", data: { revision: 4, server: server({ name: "b" }) } });
  letGo({ instance: "one", revision: 6, servers: [server({ name: "a", sentence: "older" })] });
  await settle();
  expect(core.server("a")?.sentence).toBe("newer");
  expect(core.server("b")).toBeUndefined();
  expect(core.present.revision).toBe(7);
});

test("a gap leads to one fetch, an ordinary event to none", async () => {
  const { transport } = await started("a");
  const fetched = vi.spyOn(transport, "servers");
  transport.change(server({ name: "a", sentence: "changed" }));
  await settle();
  expect(fetched).toHaveBeenCalledTimes(0);
  transport.tell({ event: "gap", data: { revision: 9 } });
  await settle();
  expect(fetched).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(fetched).toHaveBeenCalledTimes(1);
});

test("a second gap makes the answer to the first count for nothing", async () => {
  const { transport, core } = await started("a");
  const first = held(transport);
  transport.tell({ event: "gap", data: { revision: 5 } });
  transport.list = [server({ name: "fresh" })];
  transport.tell({ event: "gap", data: { revision: 6 } });
  await settle();
  first.letGo({ instance: "one", revision: 5, servers: [server({ name: "stale" })] });
  await settle();
  expect(core.servers.map(({ name }) => name)).toEqual(["fresh"]);
});

test("another run of the core starts from its own revision", async () => {
  const { transport, core } = await started("a");
  transport.revision = 1_000;
  transport.change(server({ name: "a" }));
  expect(core.present.revision).toBe(1_001);
  Object.assign(transport, { instance: "two", revision: 3, list: [server({ name: "b" })] });
  transport.tell({ event: "hello", data: { instance: "two", revision: 3 } });
  await settle();
  transport.change(server({ name: "b", sentence: "of the second run" }));
  expect(core.server("b")?.sentence).toBe("of the second run");
  expect(core.server("a")).toBeUndefined();
});

test("a lost core keeps its rows, and is live again without a fetch if nothing was missed", async () => {
  const { transport, core } = await started("a");
  const fetched = vi.spyOn(transport, "servers");
  transport.follower?.lost("gone");
  expect(core.link.kind).toBe("lost");
  expect(core.servers).toHaveLength(1);
  transport.follower?.reached();
  expect(core.link.kind).toBe("live");
  expect(fetched).not.toHaveBeenCalled();
});

test("a fetch that fails is tried again and says so meanwhile", async () => {
  const { transport, core } = await started("a");
  vi.spyOn(transport, "servers").mockRejectedValueOnce(new Refusal("unreachable", "the core does not answer", ""));
  transport.tell({ event: "gap", data: { revision: 5 } });
  await settle();
  expect(core.link.kind).toBe("lost");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(core.link.kind).toBe("live");
});

test("a refused credential locks it and ends the following", async () => {
  const { transport, core } = await started("a");
  transport.follower?.lost("no-credential");
  expect(core.link).toEqual({ kind: "locked", reason: "no-credential" });
  expect(transport.follower).toBeNull();
});

test("a revision is reached when the view shows it", async () => {
  const { transport, core } = await started("a");
  let reached = false;
  void core.reached(transport.revision + 1).then(() => (reached = true));
  await settle();
  expect(reached).toBe(false);
  transport.change(server({ name: "a" }));
  await settle();
  expect(reached).toBe(true);
});
