import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { OffersOf } from "../src/components/server/offers.svelte";
import { offered, server } from "../src/gallery/fixtures";
import { Scripted } from "../src/gallery/scripted";
import { App } from "../src/lib/app.svelte";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

async function begun(epoch: number) {
  const transport = new Scripted([server({ name: "a", epoch })]);
  const app = new App(transport);
  app.core.start();
  await vi.advanceTimersByTimeAsync(0);
  return { transport, offers: new OffersOf(app, "a") };
}

test("what is shown carries the epoch it is of", async () => {
  const { offers } = await begun(4);
  await offers.load();
  expect(offers.now).toEqual({ kind: "shown", epoch: 4, offered, whole: true });
});

test("a list of a later revision is not taken for the epoch before it", async () => {
  const { transport, offers } = await begun(4);
  // The answer is of a revision whose event has not come yet: it may be of the next epoch.
  const asked = vi.spyOn(transport, "tools").mockResolvedValueOnce({ revision: 2, tools: [] });
  const loading = offers.load();
  await vi.advanceTimersByTimeAsync(10);
  expect(offers.now).toEqual({ kind: "loading" });
  transport.change(server({ name: "a", epoch: 5 }));
  await loading;
  expect(offers.now).toEqual({ kind: "shown", epoch: 5, offered, whole: true });
  expect(asked).toHaveBeenCalledTimes(2);
});

test("an epoch that moves while it is asked is asked for again", async () => {
  const { transport, offers } = await begun(4);
  vi.spyOn(transport, "tools").mockImplementationOnce(async () => {
    transport.change(server({ name: "a", epoch: 5 }));
    return { revision: 1, tools: [] };
  });
  await offers.load();
  expect(offers.now).toEqual({ kind: "shown", epoch: 5, offered, whole: true });
});

test("a catalog that never stands still is not shown as if it did", async () => {
  const { transport, offers } = await begun(4);
  let epoch = 4;
  vi.spyOn(transport, "tools").mockImplementation(async () => {
    epoch += 1;
    transport.change(server({ name: "a", epoch }));
    return { revision: transport.revision, ...transport.offered };
  });
  await offers.load();
  expect(offers.now.kind).toBe("failed");
});

test("an older core tells of tools only, and that is said", async () => {
  const { transport, offers } = await begun(4);
  transport.offered = { tools: [...offered.tools] };
  await offers.load();
  expect(offers.now).toEqual({ kind: "shown", epoch: 4, offered: { tools: offered.tools, prompts: [], templates: [], instructions: null }, whole: false });
});
