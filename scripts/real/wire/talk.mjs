// Recorded messages put in order: requests with their answers, and notifications.

/**
 * Returns `{ asked, told }`: requests `{ from, method, raw, json, answer, cancelled }` and
 * notifications `{ from, method, raw, json, about }`, each in the order in which they were sent.
 * `about` is the request that a notification names by its id or its progress token.
 */
export function talk(messages) {
  const asked = [];
  const told = [];
  const open = new Map();
  const tokens = new Map();
  const key = (from, conn, id) => `${from} ${conn} ${JSON.stringify(id)}`;
  for (const { conn, from, raw } of messages) {
    const json = JSON.parse(raw);
    const { id, method, params } = json;
    if (method && id !== undefined) {
      const request = { from, conn, method, raw, json, answer: null, cancelled: false };
      asked.push(request);
      open.set(key(from, conn, id), request);
      const token = params?._meta?.progressToken;
      if (token !== undefined) tokens.set(key(from, conn, token), request);
    } else if (method) {
      // What a notification names was asked by its own sender (cancelled) or by the other (progress).
      let about = null;
      if (method === "notifications/cancelled") about = open.get(key(from, conn, params?.requestId)) ?? null;
      if (method === "notifications/progress") about = tokens.get(key(other(from), conn, params?.progressToken)) ?? null;
      if (about && method === "notifications/cancelled") about.cancelled = true;
      told.push({ from, conn, method, raw, json, about });
    } else {
      const request = open.get(key(other(from), conn, id));
      if (request) request.answer = { raw, json };
    }
  }
  return { asked, told };
}

const other = (from) => (from === "client" ? "server" : "client");
