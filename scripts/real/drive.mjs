// Drives a running core by each client and returns one row for each thing asked.
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { callTool, listTools } from "./inspector.mjs";

/** Asks by Inspector: all servers behind one address, then each at its own. */
export async function byInspector(at, core, servers) {
  const rows = [];
  const ask = async (server, what, question) => rows.push(await row("Inspector", what, server, question));
  const url = core.ready.mcp;

  const everywhere = row("Inspector", "list", "all", async () => {
    const tools = await listTools(at, url, core.client);
    return servers.map(({ name, tools: least }) => enough(tools.filter((tool) => tool.name.startsWith(`${name}__`)), least)).join(", ");
  });
  rows.push(await everywhere);
  for (const { name, tools: least, call } of servers) {
    await ask(name, "call", async () => {
      const answer = await callTool(at, url, core.client, `${name}__${call.tool}`, call.arguments);
      return expected(answer, call.answer);
    });
    await ask(name, `/mcp/s/${name}`, async () => {
      const tools = await listTools(at, `${url}/s/${name}`, core.client);
      if (!tools.some((tool) => tool.name === call.tool)) throw new Error(`${call.tool} is not listed under its own name`);
      return enough(tools, least);
    });
  }
  return rows;
}

/** Asks by the Python SDK, in one session. */
export async function bySdk(at, core, servers) {
  const script = fileURLToPath(new URL("sdk.py", import.meta.url));
  const child = spawn(at.python, [script], { stdio: ["pipe", "pipe", "pipe"], timeout: 120_000 });
  child.stdin.on("error", () => {}); // It ended before it read: its exit code tells.
  child.stdin.end(JSON.stringify({ url: core.ready.mcp, token: core.client, servers }));
  const code = new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  const [out, error] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const lines = out.split("\n").filter(Boolean);
  const rows = lines.map((line) => ({ client: "Python SDK", ...JSON.parse(line) }));
  if ((await code) === 0) return rows;
  const detail = `ended with ${await code}\n${error.trim().split("\n").slice(-15).join("\n")}`;
  return [...rows, { client: "Python SDK", what: "session", server: "all", passed: false, detail, ms: 0 }];
}

/** Returns a row for one question, passed unless it throws. */
export async function row(client, what, server, question) {
  const begun = Date.now();
  const ended = (passed, detail) => ({ client, what, server, passed, detail, ms: Date.now() - begun });
  try {
    return ended(true, (await question()) ?? "");
  } catch (error) {
    return ended(false, error.message);
  }
}

function enough(tools, least) {
  if (tools.length < least) throw new Error(`${tools.length} tools, fewer than ${least}`);
  return `${tools.length} tools`;
}

function expected(answer, part) {
  if (!answer.includes(part)) throw new Error(`answered ${answer}, not ${part}`);
  return answer;
}
