// Stands before an MCP address and writes down every message in both directions before it passes it
// on: bodies and events as they are, addresses and heads untouched but for `Host`.
import { createServer, request as send } from "node:http";
import { EventTexts } from "./events.mjs";

/**
 * Listens on a port of its own; resolves to `{ origin, close }`. `record(message)` gets
 * `{ conn, from, raw, again }`: `conn` tells sessions apart, and of an `initialize` is known later;
 * `again`, that it came on a stream which a client came back to.
 */
export async function recordingProxy(target, record) {
  const server = createServer((incoming, outgoing) => pass(new URL(target), incoming, outgoing, record));
  server.keepAliveTimeout = 0;
  await new Promise((resolve, reject) => server.on("error", reject).listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { origin: `http://127.0.0.1:${server.address().port}`, close };
}

function pass(target, incoming, outgoing, record) {
  const exchange = { conn: incoming.headers["mcp-session-id"] ?? new URL(incoming.url, target).searchParams.get("sessionId") };
  const again = "last-event-id" in incoming.headers;
  const early = [];
  const note = (from, raw) => {
    const message = { conn: exchange.conn, from, raw, again };
    if (!message.conn) early.push(message);
    record(message);
  };
  const known = (conn) => {
    exchange.conn ??= conn;
    for (const message of early) message.conn ??= exchange.conn;
  };
  const heads = { ...incoming.headers, host: target.host };
  const onward = send({ host: target.hostname, port: target.port, path: incoming.url, method: incoming.method, headers: heads });
  onward.on("response", (answer) => {
    known(answer.headers["mcp-session-id"]);
    outgoing.writeHead(answer.statusCode, answer.headers);
    outgoing.flushHeaders();
    const kind = answer.headers["content-type"] ?? "";
    if (kind.startsWith("text/event-stream")) events(answer, outgoing, note, known);
    else whole(answer, (body) => {
      if (kind.startsWith("application/json") && body.length) note("server", body.toString());
      outgoing.end(body);
    });
    answer.on("error", () => outgoing.destroy());
  });
  onward.on("error", () => outgoing.destroy());
  outgoing.on("close", () => onward.destroy());
  whole(incoming, (body) => {
    if (incoming.method === "POST") note("client", body.toString());
    onward.end(body);
  });
}

function events(answer, outgoing, note, known) {
  const texts = new EventTexts();
  answer.on("data", (chunk) => {
    for (const { event, data } of texts.add(chunk)) {
      if (event === "endpoint") known(new URL(data, "http://here").searchParams.get("sessionId"));
      else if (data) note("server", data);
    }
    outgoing.write(chunk);
  });
  answer.on("end", () => outgoing.end());
}

function whole(stream, then) {
  const chunks = [];
  stream.on("data", (chunk) => chunks.push(chunk));
  stream.on("end", () => then(Buffer.concat(chunks)));
  stream.on("error", () => {});
}
