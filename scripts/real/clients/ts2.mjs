// The TypeScript SDK, version 2, as a client. Its argument is the folder of node_modules.
import { createRequire } from "node:module";
import { join } from "node:path";
import { drive } from "./driving.mjs";

const sdk = createRequire(join(process.argv[2], "here.cjs"));
const { Client, SSEClientTransport, StreamableHTTPClientTransport } = sdk("@modelcontextprotocol/client");
const { StdioClientTransport } = sdk("@modelcontextprotocol/client/stdio");

drive(async ({ answers, era = "legacy", ...session }, told) => {
  const capabilities = { sampling: {}, elicitation: { form: {}, url: {} } };
  if (answers.roots) capabilities.roots = { listChanged: true };
  const client = new Client({ name: "narthex-real", version: "1.0.0" }, { capabilities, versionNegotiation: { mode: era } });
  client.setRequestHandler("sampling/createMessage", () => answers.sampling);
  client.setRequestHandler("elicitation/create", ({ params }) => answers.elicitation[params.mode ?? "form"]);
  if (answers.roots) client.setRequestHandler("roots/list", () => ({ roots: answers.roots }));
  for (const method of ["notifications/message", "notifications/resources/updated"]) {
    client.setNotificationHandler(method, ({ params }) => told({ method, params }));
  }
  const transport = open(session);
  await client.connect(transport);
  return {
    capabilities: () => client.getServerCapabilities(),
    tools: async () => (await client.listTools()).tools,
    call: (name, given, options) => client.callTool({ name, arguments: given }, options),
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

function open({ url, headers, transport, command, args, env }) {
  if (command) return new StdioClientTransport({ command, args, env: { ...process.env, ...env }, stderr: "ignore" });
  const Transport = transport === "sse" ? SSEClientTransport : StreamableHTTPClientTransport;
  return new Transport(new URL(url), { requestInit: { headers } });
}
