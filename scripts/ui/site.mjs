// Serves `ui/dist` before a core that was built without it, under the same policy as the core's own.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer, request } from "node:http";
import { extname, join, normalize } from "node:path";
import { root } from "../lib/paths.mjs";
import { Stop } from "../lib/say.mjs";

const dist = join(root, "ui", "dist");
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain" };

/** Returns where the page is: at the core itself, or else at a server of ours that stands before it. */
export async function siteOf(core) {
  const own = await fetch(`http://${core.listening}/ui/`);
  await own.body?.cancel();
  if (own.ok) return { at: `http://${core.listening}/ui/`, by: "the core", end() {} };
  if (!existsSync(join(dist, "index.html"))) throw new Stop("ui/dist is not there: npm run build --workspace ui");
  const server = createServer((asked, answer) => {
    if (asked.url.startsWith("/api/")) return passOn(core.listening, asked, answer);
    return file(asked, answer);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = `http://127.0.0.1:${server.address().port}/ui/`;
  return {
    at,
    by: "a server before the core",
    end() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function file(asked, answer) {
  const path = normalize(new URL(asked.url, "http://x").pathname.replace(/^\/ui\//, ""));
  const found = join(dist, path === "" || path === "." ? "index.html" : path);
  if (!found.startsWith(dist) || !existsSync(found) || !statSync(found).isFile()) return answer.writeHead(404).end();
  answer.writeHead(200, {
    "Content-Type": types[extname(found)] ?? "application/octet-stream",
    "Content-Security-Policy": policy,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
  });
  return createReadStream(found).pipe(answer);
}

function passOn(listening, asked, answer) {
  const [host, port] = listening.split(":");
  const headers = { ...asked.headers, host: listening };
  delete headers.origin;
  const upstream = request({ host, port, method: asked.method, path: asked.url, headers }, (given) => {
    answer.writeHead(given.statusCode, given.headers);
    answer.flushHeaders();
    given.pipe(answer);
    given.on("error", () => answer.destroy());
  });
  upstream.on("error", () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
  answer.on("close", () => upstream.destroy());
  asked.pipe(upstream);
}
