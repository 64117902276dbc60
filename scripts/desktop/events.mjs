// What the core tells over REST, for those who wait for the end of a command.
import { Stop } from "../lib/say.mjs";

const toldWithin = 20_000;

/** Subscribes, acts, and resolves to the first event that `wanted(event, answer)` holds of. */
export async function toldAfter(app, act, wanted) {
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(new Stop(`not told within ${toldWithin / 1000} s`)), toldWithin);
  try {
    const { body } = await app.ask("/api/v1/events", { signal: stop.signal });
    // Read from the start: Node ends a body that nobody reads once its response is collected.
    const text = body.pipeThrough(new TextDecoderStream());
    const answer = await act();
    for await (const event of eventsOf(text)) if (wanted(event, answer)) return event;
    throw new Stop("the core tells no more");
  } finally {
    clearTimeout(late);
    stop.abort();
  }
}

async function* eventsOf(chunks) {
  let text = "";
  for await (const chunk of chunks) {
    text += chunk;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const [event, data] = ["event", "data"].map((field) => new RegExp(`^${field}: ?(.*)$`, "m").exec(block)?.[1]);
      if (event) yield { event, data: JSON.parse(data) };
    }
  }
}
