// The client that the suite's client scenarios judge: `node client.mjs direct|through URL`, where the
// suite adds the URL of its server. Through Narthex, a core is started with that URL as its only
// server; what the suite sees is the core then, and this client is behind it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { debugBinary, targetDir } from "../lib/paths.mjs";
import { allConnected, endCore, startCore } from "../real/core.mjs";

const name = "suite";
const sdk = join(targetDir(), "conformance/node_modules/@modelcontextprotocol/sdk/dist/esm");
const load = (file) => import(pathToFileURL(join(sdk, file)));

/** What each scenario wants of a client that is connected. */
const scenarios = {
  initialize: (client) => client.listTools(),
  tools_call: async (client) => {
    const { tools } = await client.listTools();
    mustHave(tools, "add_numbers");
    const result = await client.callTool({ name: "add_numbers", arguments: { a: 5, b: 3 } });
    mustSay(result, "5 and 3 is 8");
  },
  "elicitation-sep1034-client-defaults": async (client) => {
    const result = await client.callTool({ name: "test_client_elicitation_defaults", arguments: {} });
    mustSay(result, "Elicitation completed");
  },
  "sse-retry": async (client) => {
    const result = await client.callTool({ name: "test_reconnection", arguments: {} });
    mustSay(result, "completed successfully");
  },
};

function mustHave(tools, wanted) {
  if (!tools.some((tool) => tool.name === wanted)) throw new Error(`no ${wanted} among ${tools.length} tools`);
}

function mustSay(result, words) {
  const said = JSON.stringify(result.content);
  if (!said.includes(words)) throw new Error(`not "${words}": ${said}`);
}

const [way, url] = process.argv.slice(2);
const act = scenarios[process.env.MCP_CONFORMANCE_SCENARIO];
if (!act || !url) throw new Error("started by the suite, with a scenario that it knows");
if (way === "direct") await use(url);
else await useThrough(url);
process.exit(0);

async function useThrough(server) {
  const home = mkdtempSync(join(tmpdir(), "narthex-conformance-"));
  const core = await startCore(debugBinary("narthex"), home, [{ name, entry: { url: server } }], ["--no-client-auth"]);
  try {
    await allConnected(core, [name]);
    await use(`${core.ready.mcp}/s/${name}`);
  } finally {
    await endCore(core);
    rmSync(home, { recursive: true, force: true });
  }
}

/** Connects the official SDK's client, and does what the scenario wants. */
async function use(address) {
  const { Client } = await load("client/index.js");
  const { StreamableHTTPClientTransport } = await load("client/streamableHttp.js");
  const { ElicitRequestSchema } = await load("types.js");
  const capabilities = { elicitation: { form: { applyDefaults: true } } };
  const client = new Client({ name: "narthex-conformance", version: "1" }, { capabilities });
  // Nothing is filled in: what the schema has as defaults is.
  client.setRequestHandler(ElicitRequestSchema, async () => ({ action: "accept", content: {} }));
  await client.connect(new StreamableHTTPClientTransport(new URL(address)));
  await act(client);
  await client.close();
}
