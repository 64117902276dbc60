import { expect, test } from "vitest";
import { type SseMessage, SseParser } from "../src/lib/sse";

const stream =
  "\uFEFFid: a-1\nevent: hello\ndata: {\"revision\":1}\n\n" +
  ": alive\n\n" +
  "id: a-2\r\nevent: server\r\ndata: first\r\ndata: second\r\n\r\n" +
  "data:no space\rdata\r\r" +
  "event: nothing\n\n" +
  "id: bad\0id\nretry: 5\nunknown: x\ndata: ümläut ✓\n\n";

const expected: SseMessage[] = [
  { event: "hello", data: '{"revision":1}', id: "a-1" },
  { event: "server", data: "first\nsecond", id: "a-2" },
  { event: "message", data: "no space\n", id: "a-2" },
  { event: "message", data: "ümläut ✓", id: "a-2" },
];

function parsed(chunks: string[]): SseMessage[] {
  const parser = new SseParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
}

test("a stream in one piece", () => {
  expect(parsed([stream])).toEqual(expected);
});

test("a stream cut anywhere reads the same", () => {
  for (let size = 1; size <= 9; size += 1) {
    const chunks = stream.match(new RegExp(`[\\s\\S]{1,${size}}`, "g")) ?? [];
    expect(parsed(chunks), `chunks of ${size}`).toEqual(expected);
  }
  for (let at = 0; at <= stream.length; at += 1) {
    expect(parsed([stream.slice(0, at), "", stream.slice(at)]), `cut at ${at}`).toEqual(expected);
  }
});

test("an event without its end is not told", () => {
  expect(parsed(["event: server\ndata: half\n"])).toEqual([]);
});
