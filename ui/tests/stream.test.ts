import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Refusal } from "../src/lib/refusal";
import { followStream } from "../src/lib/stream";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const settle = () => vi.advanceTimersByTimeAsync(0);

function body(...chunks: string[]): Response {
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(encoder.encode(chunk));
      controller.close();
    },
  });
  return { ok: true, body: stream } as Response;
}

test("after a break it resumes from the last event", async () => {
  const resumedFrom: (string | null)[] = [];
  const heard: string[] = [];
  const open = async (lastId: string | null) => {
    resumedFrom.push(lastId);
    if (resumedFrom.length > 2) throw new Error("offline");
    return body(`id: one-${resumedFrom.length}\ndata: ${resumedFrom.length}\n\n`);
  };
  const stop = followStream(open, { opened() {}, message: ({ data }) => void heard.push(data), closed: () => true });
  await vi.advanceTimersByTimeAsync(600);
  expect(resumedFrom.slice(0, 3)).toEqual([null, "one-1", "one-2"]);
  expect(heard).toEqual(["1", "2"]);
  stop();
});

test("it waits longer after each failure, and not for ever", async () => {
  let attempts = 0;
  const stop = followStream(
    async () => {
      attempts += 1;
      throw new Error("offline");
    },
    { opened() {}, message() {}, closed: () => true },
  );
  await vi.advanceTimersByTimeAsync(10_000);
  expect(attempts).toBe(6);
  await vi.advanceTimersByTimeAsync(100_000);
  expect(attempts).toBeGreaterThanOrEqual(14);
  expect(attempts).toBeLessThanOrEqual(17);
  stop();
});

test("a refusal that the handler takes as final ends it", async () => {
  const open = vi.fn(async () => {
    throw new Refusal("no-credential", "no credential", "");
  });
  followStream(open, { opened() {}, message() {}, closed: (why) => !why.is("no-credential") });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(open).toHaveBeenCalledTimes(1);
});

test("a stream that falls silent is given up and opened again", async () => {
  const open = vi.fn(async (_: string | null, signal: AbortSignal) => {
    const stream = new ReadableStream({
      start: (controller) => signal.addEventListener("abort", () => controller.error(new Error("aborted"))),
    });
    return { ok: true, body: stream } as Response;
  });
  const stop = followStream(open, { opened() {}, message() {}, closed: () => true });
  await settle();
  await vi.advanceTimersByTimeAsync(61_000);
  expect(open).toHaveBeenCalledTimes(2);
  stop();
});
