// The steps that every client is driven through, for the clients written for Node.
//
// Reads one session a line from standard input, as JSON: { url, headers, transport } or { command,
// args }, and { answers, steps, era }; the era "auto" has it ask for the later generation of MCP
// first. Writes one JSON object a line for each step, { step, state, detail, ms } with the state
// "passed", "failed" or "none" (it cannot be done), then { done: true }.
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** How long a step may take. */
const stepWithin = 60_000;

/** What a server has to declare for a step to be possible. */
const needed = {
  prompts: "prompts",
  prompt: "prompts",
  resources: "resources",
  templates: "resources",
  read: "resources",
  refused: "resources",
  subscribe: "resources.subscribe",
  complete: "completions",
  level: "logging",
};

/** Says of a step that it cannot be done. */
class None extends Error {}

/**
 * Each returns what is told of it, or throws. `heard` waits for a notification that came since the
 * session began and was not waited for yet.
 */
const steps = {
  tools: async (client, { least, has }) => named(await client.tools(), "name", has, least),
  call: async (client, { tool, arguments: given, answer }) => holds(await client.call(tool, given), answer),
  prompts: async (client, { has }) => named(await client.prompts(), "name", has),
  prompt: async (client, { name, arguments: given, answer }) => holds(await client.prompt(name, given), answer),
  resources: async (client, { has }) => named(await client.resources(), "uri", has),
  templates: async (client, { has }) => named(await client.templates(), "uriTemplate", has),
  read: async (client, { uri, answer }) => holds(await client.read(uri), answer),
  complete: async (client, { ref, argument, answer }) => holds(await client.complete(ref, argument), answer),
  level: async (client, { level }) => (await client.level(level), level),
  ping: async (client) => (await client.ping(), ""),

  async refused(client, { uri, answer }) {
    const error = await client.read(uri).then(() => null, (error) => error);
    if (!error) throw new Error(`${uri} was read`);
    return holds({ code: error.code, message: error.message }, answer);
  },
  /** A server asks for roots when it likes: called until it has them. */
  async roots(client, step) {
    for (const until = Date.now() + stepWithin / 2; ; ) {
      const error = await steps.call(client, step).then(() => null, (error) => error);
      if (!error) return step.answer;
      if (Date.now() > until) throw error;
      await sleep(50);
    }
  },
  async progress(client, { tool, arguments: given, least }) {
    const seen = [];
    await client.call(tool, given, { onprogress: ({ progress }) => seen.push(progress) });
    const inOrder = seen.every((step, index) => index === 0 || step > seen[index - 1]);
    if (seen.length < least || !inOrder) throw new Error(`progress ${JSON.stringify(seen)}`);
    return `${seen.length} in order`;
  },
  async cancel(client, { tool, arguments: given }) {
    const abort = new AbortController();
    const begun = Date.now();
    const onprogress = () => abort.abort(new Error("cancelled by the test"));
    const error = await client.call(tool, given, { onprogress, signal: abort.signal }).then(() => null, (error) => error);
    if (!abort.signal.aborted || !error) throw new Error(error?.message ?? "it was answered");
    await client.ping();
    return `${Date.now() - begun} ms, and a ping after it`;
  },
  async subscribe(client, { uri, tool }, heard) {
    await client.subscribe(uri);
    await client.call(tool, {});
    await heard("notifications/resources/updated", (params) => params.uri === uri);
    await client.call(tool, {});
    await client.unsubscribe(uri);
    return "updated";
  },
  async log(client, { tool, has }, heard) {
    await client.call(tool, {});
    const { level } = await heard("notifications/message", (params) => params.data.includes(has));
    await client.call(tool, {});
    return level;
  },
};
for (const name of ["sampling", "elicitation"]) steps[name] = steps.call;

/** Drives sessions until standard input ends. `connect(session, told)` resolves to a client. */
export async function drive(connect) {
  for await (const line of createInterface({ input: process.stdin })) {
    const session = JSON.parse(line);
    const error = await run(connect, session).then(() => undefined, (error) => error.stack);
    say({ done: true, error });
  }
  process.exit();
}

async function run(connect, session) {
  const notices = [];
  const wake = new EventTarget();
  const told = (notice) => {
    notices.push(notice);
    wake.dispatchEvent(new Event("told"));
  };
  const heard = async (method, fits) => {
    for (;;) {
      const at = notices.findIndex((notice) => notice.method === method && fits(notice.params));
      if (at >= 0) return notices.splice(at, 1)[0].params;
      await new Promise((resolve) => wake.addEventListener("told", resolve, { once: true }));
    }
  };
  const client = await within(stepWithin, connect(session, told));
  try {
    const declared = await client.capabilities();
    let offered;
    for (const [number, step] of session.steps.entries()) {
      const begun = Date.now();
      const ended = (state, detail) => say({ step: number, state, detail: String(detail), ms: Date.now() - begun });
      try {
        possible(client, declared, step);
        if (step.optional) {
          offered ??= (await client.tools()).map(({ name }) => name);
          if (!offered.includes(step.tool)) throw new None(`server: ${step.optional}`);
        }
        ended("passed", await within(stepWithin, steps[step.do](client, step, heard)));
      } catch (error) {
        ended(error instanceof None ? "none" : "failed", error.message);
      }
    }
  } finally {
    await client.close();
  }
}

function possible(client, declared, step) {
  const unable = client.cannot?.(step);
  if (unable) throw new None(`client: ${unable}`);
  const path = needed[step.do]?.split(".") ?? [];
  const found = path.reduce((within, name) => within?.[name], declared);
  if (path.length && !found) throw new None(`server: declares no ${needed[step.do]}`);
}

/** Checks that these names are listed; says how many there are. */
function named(list, key, has = [], least = 0) {
  const names = list.map((item) => item[key]);
  const missing = has.filter((name) => !names.includes(name));
  if (missing.length) throw new Error(`${missing.join(", ")} is not among ${names.join(", ")}`);
  if (names.length < least) throw new Error(`${names.length}, fewer than ${least}`);
  return `${names.length}`;
}

/** Checks that an answer holds a text, wherever. */
function holds(answer, text) {
  const whole = JSON.stringify(answer).replaceAll('\\"', '"');
  if (!whole.includes(text)) throw new Error(`answered ${whole}, without ${text}`);
  return text;
}

function within(ms, promise) {
  const late = sleep(ms, null, { ref: false }).then(() => {
    throw new Error(`no answer within ${ms / 1000} s`);
  });
  return Promise.race([promise, late]);
}

function say(row) {
  process.stdout.write(`${JSON.stringify(row)}\n`);
}
