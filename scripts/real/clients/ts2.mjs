// The TypeScript SDK, version 2, as a client. Its argument is the folder of node_modules.
import { driveSdk, sdk } from "./ts.mjs";

const { Client, SSEClientTransport, StreamableHTTPClientTransport } = sdk("@modelcontextprotocol/client");
const { StdioClientTransport } = sdk("@modelcontextprotocol/client/stdio");

driveSdk({
  Client,
  options: (era) => ({ versionNegotiation: { mode: era } }),
  asked: { sampling: "sampling/createMessage", elicitation: "elicitation/create", roots: "roots/list" },
  listen(client, told) {
    for (const method of ["notifications/message", "notifications/resources/updated"]) {
      client.setNotificationHandler(method, ({ params }) => told({ method, params }));
    }
  },
  call: (client, params, options) => client.callTool(params, options),
  transports: () => ({ stdio: StdioClientTransport, sse: SSEClientTransport, http: StreamableHTTPClientTransport }),
});
