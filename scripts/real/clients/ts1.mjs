// The TypeScript SDK, version 1, as a client; also what drives the stdio bridges.
// Its argument is the folder of node_modules.
import { driveSdk, sdk } from "./ts.mjs";

const from = (path) => sdk(`@modelcontextprotocol/sdk/${path}`);
const types = from("types.js");

driveSdk({
  Client: from("client/index.js").Client,
  asked: {
    sampling: types.CreateMessageRequestSchema,
    elicitation: types.ElicitRequestSchema,
    roots: types.ListRootsRequestSchema,
  },
  listen(client, told) {
    for (const kind of [types.LoggingMessageNotificationSchema, types.ResourceUpdatedNotificationSchema]) {
      client.setNotificationHandler(kind, told);
    }
  },
  call: (client, params, options) => client.callTool(params, undefined, options),
  transports: () => ({
    stdio: from("client/stdio.js").StdioClientTransport,
    sse: from("client/sse.js").SSEClientTransport,
    http: from("client/streamableHttp.js").StreamableHTTPClientTransport,
  }),
});
