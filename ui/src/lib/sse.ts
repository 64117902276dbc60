// Reads server-sent events from chunks of text. EventSource would do it too, but cannot send an
// `Authorization` header, and a credential has no place in an address.

export type SseMessage = { event: string; data: string; id: string | null };

export class SseParser {
  #rest = "";
  #event = "";
  #data: string[] = [];
  #id: string | null = null;
  #first = true;

  /** Takes the next chunk, cut anywhere, and returns the messages that it completes. */
  push(chunk: string): SseMessage[] {
    const messages: SseMessage[] = [];
    let text = this.#rest + chunk;
    if (this.#first && text.length > 0) {
      if (text.startsWith("\uFEFF")) text = text.slice(1);
      this.#first = false;
    }
    let start = 0;
    for (;;) {
      const end = lineEnd(text, start);
      if (!end) break;
      const message = this.#line(text.slice(start, end.at));
      if (message) messages.push(message);
      start = end.next;
    }
    this.#rest = text.slice(start);
    return messages;
  }

  #line(line: string): SseMessage | null {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }

  #dispatch(): SseMessage | null {
    const { length } = this.#data;
    const message = { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
    this.#event = "";
    this.#data = [];
    return length > 0 ? message : null;
  }
}

/**
 * Finds the end of a line: LF, CR, or both. A CR at the end of what has come may be half of one end,
 * so it waits for the next chunk.
 */
function lineEnd(text: string, from: number): { at: number; next: number } | null {
  for (let at = from; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === 10) return { at, next: at + 1 };
    if (character === 13) {
      if (at + 1 === text.length) return null;
      return { at, next: text.charCodeAt(at + 1) === 10 ? at + 2 : at + 1 };
    }
  }
  return null;
}
