// The little of WebDriver that the tests speak, over fetch, to WebKitWebDriver.
import { writeFileSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Stop } from "../lib/say.mjs";

const answersWithin = 30_000;
const element = "element-6066-11e4-a52e-4f735466cecf";

/** A browser session: here, the app's own window. */
export class Driver {
  constructor(base, id) {
    Object.assign(this, { base, id });
  }

  /** Starts a driver in this session, and by it the app, which must open its window by itself. */
  static async start(session, binary, args) {
    const port = await freePort();
    session.env.TAURI_WEBVIEW_AUTOMATION = "true";
    session.env.TAURI_AUTOMATION = "true";
    session.spawn("WebKitWebDriver", [`--port=${port}`]);
    const base = `http://127.0.0.1:${port}`;
    await listening(base);
    const options = { browserName: "wry", "webkitgtk:browserOptions": { binary, args } };
    const { sessionId } = await command("POST", `${base}/session`, { capabilities: { alwaysMatch: options } });
    const driver = new Driver(base, sessionId);
    await driver.post("timeouts", { script: answersWithin });
    return driver;
  }

  post = (path, body = {}) => command("POST", `${this.base}/session/${this.id}/${path}`, body);
  get = (path) => command("GET", `${this.base}/session/${this.id}/${path}`);

  /** Runs a function in the page with these arguments and returns what it returns. */
  run(what, ...args) {
    return this.post("execute/sync", { script: `return (${what})(...arguments)`, args });
  }

  /** Runs an asynchronous function in the page; what it throws is thrown here. */
  async wait(what, ...args) {
    const script = `const done = arguments[arguments.length - 1];
      Promise.resolve().then(() => (${what})(...[...arguments].slice(0, -1))).then((value) => done({ value }), (error) => done({ error: String(error) }));`;
    const { value, error } = await this.post("execute/async", { script, args });
    if (error) throw new Stop(error);
    return value;
  }

  /** Clicks as a mouse does, on the one element that this selector finds. */
  async click(selector) {
    const found = await this.post("element", { using: "css selector", value: selector });
    await this.post(`element/${found[element]}/click`);
  }

  /** Waits, by observing the page, until this selector finds something. */
  async appears(selector, within = 10_000) {
    await this.wait(observed, selector, true, within);
  }

  async disappears(selector, within = 10_000) {
    await this.wait(observed, selector, false, within);
  }

  /** What the window shows, once it has drawn what the page holds: a picture can be a frame late. */
  async screenshot(file) {
    await this.wait(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, Buffer.from(await this.get("screenshot"), "base64"));
  }
}

/** In the page. */
function observed(selector, present, within) {
  return new Promise((resolve, reject) => {
    const holds = () => Boolean(document.querySelector(selector)) === present;
    if (holds()) return resolve();
    const observer = new MutationObserver(() => holds() && end(resolve));
    const late = setTimeout(() => end(reject, `${selector} ${present ? "did not appear" : "is still there"} within ${within} ms`), within);
    const end = (how, what) => {
      observer.disconnect();
      clearTimeout(late);
      how(what);
    };
    observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  });
}

async function command(method, url, body) {
  const options = { method, signal: AbortSignal.timeout(2 * answersWithin), ...(body && { body: JSON.stringify(body) }) };
  const answer = await fetch(url, options);
  const { value } = await answer.json();
  if (!answer.ok) throw new Stop(`WebDriver, ${method} ${new URL(url).pathname.split("/").slice(3).join("/") || "session"}: ${value.error}: ${value.message}`);
  return value;
}

async function listening(base) {
  const deadline = Date.now() + answersWithin;
  for (;;) {
    try {
      return await command("GET", `${base}/status`);
    } catch (error) {
      if (Date.now() > deadline) throw new Stop(`WebKitWebDriver does not answer: ${error.message}`);
      await sleep(50);
    }
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
