// A stream of server-sent events that comes back by itself.
import { Refusal } from "./refusal";
import { SseParser, type SseMessage } from "./sse";
import type { Stop } from "./transport";

export interface StreamHandler {
  opened(): void;
  message(message: SseMessage): void;
  /** The stream broke or could not be opened. Returns whether to try again. */
  closed(why: Refusal): boolean;
}

/** The first attempt after a break follows quickly: a restarted core is back within a second. */
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;

/** The core says that it lives every 25 s; twice that without a byte is a dead line. */
const SILENCE_MS = 60_000;

/**
 * Follows the stream that `open` opens, until stopped. After a break it opens it again, with the id
 * of the last message, so that nothing is lost where the core still knows that place.
 */
export function followStream(
  open: (lastId: string | null, signal: AbortSignal) => Promise<Response>,
  handler: StreamHandler,
): Stop {
  const stopped = new AbortController();
  let lastId: string | null = null;
  let wait = FIRST_WAIT_MS;

  const once = async (): Promise<Refusal> => {
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    stopped.signal.addEventListener("abort", abort);
    const watchdog = new Watchdog(abort);
    try {
      const response = await open(lastId, attempt.signal);
      const reader = response.body?.getReader();
      if (!reader) return new Refusal("unreachable", "the answer has no body", "");
      handler.opened();
      wait = FIRST_WAIT_MS;
      const parser = new SseParser();
      const decoder = new TextDecoder();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return new Refusal("unreachable", "the stream of events ended", "");
        watchdog.fed();
        for (const message of parser.push(decoder.decode(value, { stream: true }))) {
          lastId = message.id ?? lastId;
          handler.message(message);
        }
      }
    } catch (error) {
      return error instanceof Refusal ? error : new Refusal("unreachable", "the core does not answer", "");
    } finally {
      watchdog.end();
      attempt.abort();
      stopped.signal.removeEventListener("abort", abort);
    }
  };

  const run = async () => {
    while (!stopped.signal.aborted) {
      const why = await once();
      if (stopped.signal.aborted || !handler.closed(why)) return;
      await pause(wait, stopped.signal);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    }
  };
  void run();
  return () => stopped.abort();
}

class Watchdog {
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly bark: () => void) {
    this.fed();
  }

  fed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.bark, SILENCE_MS);
  }

  end() {
    clearTimeout(this.#timer);
  }
}

/** Waits, but not longer than until the network is said to be back. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    addEventListener("online", done);
  });
}
