// The TypeScript SDK as a client, as far as its versions are alike.
import { createRequire } from "node:module";
import { join } from "node:path";
import { drive } from "./driving.mjs";

/** Loads a module of the SDK; the script's argument is the folder of node_modules. */
export const sdk = createRequire(join(process.argv[2], "here.cjs"));

/**
 * Drives a client of one version.
 *
 * @param version `Client`; `options(era)`, what it is made with beside its capabilities; `asked`, what
 * stands for each request of a server in `setRequestHandler`; `listen(client, told)`, which has it say
 * what it hears; `call(client, params, options)`, which calls a tool; `transports()`, the classes for
 * `stdio`, `sse` and `http`.
 */
export function driveSdk({ Client, options = () => ({}), asked, listen, call, transports }) {
  drive(async ({ answers, era = "legacy", ...session }, told) => {
    const capabilities = { sampling: {}, elicitation: { form: {}, url: {} } };
    if (answers.roots) capabilities.roots = { listChanged: true };
    const client = new Client({ name: "narthex-real", version: "1.0.0" }, { capabilities, ...options(era) });
    client.setRequestHandler(asked.sampling, () => answers.sampling);
    client.setRequestHandler(asked.elicitation, ({ params }) => answers.elicitation[params.mode ?? "form"]);
    if (answers.roots) client.setRequestHandler(asked.roots, () => ({ roots: answers.roots }));
    listen(client, told);
    const transport = open(transports(), session);
    await client.connect(transport);
    return {
      capabilities: () => client.getServerCapabilities(),
      tools: async () => (await client.listTools()).tools,
      call: (name, given, options) => call(client, { name, arguments: given }, options),
      prompts: async () => (await client.listPrompts()).prompts,
      prompt: (name, given) => client.getPrompt({ name, arguments: given }),
      resources: async () => (await client.listResources()).resources,
      templates: async () => (await client.listResourceTemplates()).resourceTemplates,
      read: (uri) => client.readResource({ uri }),
      complete: (ref, argument) => client.complete({ ref, argument }),
      level: (level) => client.setLoggingLevel(level),
      subscribe: (uri) => client.subscribeResource({ uri }),
      unsubscribe: (uri) => client.unsubscribeResource({ uri }),
      ping: () => client.ping(),
      async close() {
        await transport.terminateSession?.();
        await client.close();
      },
    };
  });
}

function open({ stdio: Stdio, sse: Sse, http: Http }, { url, headers, transport, command, args, env }) {
  if (command) return new Stdio({ command, args, env: { ...process.env, ...env }, stderr: "ignore" });
  const Transport = transport === "sse" ? Sse : Http;
  return new Transport(new URL(url), { requestInit: { headers } });
}
