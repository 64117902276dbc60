// The TypeScript SDK, version 1, as a client; also what drives the stdio bridges.
// Its argument is the folder of node_modules.
import { createRequire } from "node:module";
import { join } from "node:path";
import { drive } from "./driving.mjs";

const sdk = createRequire(join(process.argv[2], "here.cjs"));
const from = (path) => sdk(`@modelcontextprotocol/sdk/${path}`);
const { Client } = from("client/index.js");
const types = from("types.js");

drive(async ({ answers, ...session }, told) => {
  const capabilities = { sampling: {}, elicitation: { form: {}, url: {} } };
  if (answers.roots) capabilities.roots = { listChanged: true };
  const client = new Client({ name: "narthex-real", version: "1.0.0" }, { capabilities });
  client.setRequestHandler(types.CreateMessageRequestSchema, () => answers.sampling);
  client.setRequestHandler(types.ElicitRequestSchema, ({ params }) => answers.elicitation[params.mode ?? "form"]);
  if (answers.roots) client.setRequestHandler(types.ListRootsRequestSchema, () => ({ roots: answers.roots }));
  for (const kind of [types.LoggingMessageNotificationSchema, types.ResourceUpdatedNotificationSchema]) {
    client.setNotificationHandler(kind, told);
  }
  const transport = open(session);
  await client.connect(transport);
  return {
    capabilities: () => client.getServerCapabilities(),
    tools: async () => (await client.listTools()).tools,
    call: (name, given, options) => client.callTool({ name, arguments: given }, undefined, options),
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
  if (command) {
    const { StdioClientTransport } = from("client/stdio.js");
    return new StdioClientTransport({ command, args, env: { ...process.env, ...env }, stderr: "ignore" });
  }
  if (transport === "sse") {
    const { SSEClientTransport } = from("client/sse.js");
    return new SSEClientTransport(new URL(url), { requestInit: { headers } });
  }
  const { StreamableHTTPClientTransport } = from("client/streamableHttp.js");
  return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
}
