// MCP Inspector's command line as a client: one process a request. Its arguments are the Node that
// can run it and its program.
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { drive } from "./driving.mjs";

const [, , node, program] = process.argv;
const deadline = 60_000;

/** What its `--cli` has no method for, or no way to show. */
const unable = {
  subscribe: "one request a process, no subscriptions",
  complete: "no method for completions",
  ping: "no method for pings",
  progress: "shows no progress",
  cancel: "cannot cancel",
  sampling: "answers no questions",
  elicitation: "answers no questions",
  roots: "answers no questions",
  log: "one request a process, hears nothing after it",
};

drive(async (session) => {
  const ask = (method, ...args) => inspect(session, ["--method", method, ...args]);
  return {
    cannot: (step) => unable[step.do],
    capabilities: async () => (await ask("initialize")).capabilities,
    tools: async () => (await ask("tools/list")).tools,
    call: (name, given) => ask("tools/call", "--tool-name", name, "--tool-args-json", JSON.stringify(given)),
    prompts: async () => (await ask("prompts/list")).prompts,
    prompt: (name, given) => ask("prompts/get", "--prompt-name", name, ...pairs("--prompt-args", given)),
    resources: async () => (await ask("resources/list")).resources,
    templates: async () => (await ask("resources/templates/list")).resourceTemplates,
    read: (uri) => ask("resources/read", "--uri", uri),
    level: (level) => ask("logging/setLevel", "--log-level", level),
    close: () => {},
  };
});

function pairs(option, given = {}) {
  const all = Object.entries(given).map(([key, value]) => `${key}=${value}`);
  return all.length ? [option, ...all] : [];
}

async function inspect({ url, headers = {}, transport, era = "legacy", command, args: given, env }, args) {
  // Inspector guesses the transport from a path that ends in /mcp; /mcp/s/NAME does not.
  const how = url ? [url, "--transport", transport] : ["--transport", "stdio", command, ...given];
  const heads = Object.entries(headers).flatMap(([name, value]) => ["--header", `${name}: ${value}`]);
  const child = spawn(node, [program, "--cli", ...how, ...heads, "--protocol-era", era, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
    timeout: deadline,
  });
  const code = new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  const [out, error] = await Promise.all([text(child.stdout), text(child.stderr)]);
  // It prints no result that says isError.
  if (error.includes("returned isError:true")) return { isError: true };
  if ((await code) !== 0) throw Object.assign(new Error((error || out).trim()), { code: /-3\d{4}/.exec(error)?.[0] });
  return JSON.parse(out);
}
