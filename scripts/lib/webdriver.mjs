// A small client of the WebDriver protocol (W3C), for chromedriver and WebKitWebDriver alike.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const readyWithin = 20_000;
const openedWithin = 60_000;
const settledWithin = 10_000;
// What axe looks at on the longest page takes a busy machine a while.
const scriptWithin = 60_000;
const elementKey = "element-6066-11e4-a52e-4f735466cecf";

/** Keys that are no characters, as the protocol names them. */
export const keys = { escape: "\uE00C", enter: "\uE007", tab: "\uE004", up: "\uE013", down: "\uE015", backspace: "\uE003" };

/** Starts a driver on a free port; `end()` ends it. */
export async function startDriver(program, { args = [], env = {} } = {}) {
  const port = await freePort();
  const child = spawn(program, [`--port=${port}`, ...args], { stdio: "ignore", env: { ...process.env, ...env } });
  let failure = null;
  child.once("error", (error) => (failure = error));
  child.once("exit", (code) => (failure ??= new Error(`${program} ended with ${code}`)));
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const driver = new Driver(`http://127.0.0.1:${port}`, () => {
    process.off("exit", kill);
    child.kill("SIGTERM");
  });
  for (const deadline = Date.now() + readyWithin; ; await sleep(50)) {
    if (failure) throw new Error(`failed to start ${program}: ${failure.message}`);
    const status = await driver.ask("GET", "/status").catch(() => null);
    if (status?.ready) return driver;
    if (Date.now() > deadline) {
      kill();
      throw new Error(`${program} was not ready within ${readyWithin / 1000} s`);
    }
  }
}

class Driver {
  constructor(address, end) {
    this.address = address;
    this.end = end;
  }

  /** Opens a session: a browser, or an application's window. */
  async open(capabilities) {
    const asked = { capabilities: { alwaysMatch: capabilities } };
    const { sessionId } = await this.ask("POST", "/session", asked, openedWithin);
    const session = new Session(this, `/session/${sessionId}`);
    await session.ask("POST", "/timeouts", { script: scriptWithin });
    return session;
  }

  async ask(method, path, body, within = scriptWithin + 10_000) {
    const response = await fetch(this.address + path, {
      method,
      signal: AbortSignal.timeout(within),
      ...(method === "POST" ? { body: JSON.stringify(body ?? {}), headers: { "Content-Type": "application/json" } } : {}),
    });
    const { value } = await response.json();
    if (!response.ok) throw new Error(`${method} ${path.replace(/^\/session\/[^/]+/, "")}: ${value.error}: ${value.message}`);
    return value;
  }
}

class Session {
  constructor(driver, path) {
    this.driver = driver;
    this.path = path;
  }

  ask(method, path, body) {
    return this.driver.ask(method, this.path + path, body);
  }

  go(url) {
    return this.ask("POST", "/url", { url });
  }

  reload() {
    return this.ask("POST", "/refresh");
  }

  /** Runs a function in the page; its arguments and its result are JSON. A promise is waited for. */
  async run(act, ...args) {
    const script = `const done = arguments[arguments.length - 1];
      Promise.resolve().then(() => (${act})(...[...arguments].slice(0, -1)))
        .then((value) => done({ value }), (error) => done({ error: String(error?.stack ?? error) }));`;
    const { value, error } = await this.ask("POST", "/execute/async", { script, args });
    if (error) throw new Error(`in the page: ${error}`);
    return value ?? null;
  }

  /**
   * Waits until a function in the page returns something true, and returns that. It is asked again
   * whenever the page's tree changes, and never by the clock.
   */
  async until(what, condition, ...args) {
    const found = await this.run(
      `(within, ...args) => new Promise((resolve) => {
        const holds = () => { try { return (${condition})(...args); } catch { return null; } };
        const finish = (value) => { clearTimeout(timer); observer.disconnect(); removeEventListener("hashchange", look); resolve(value || null); };
        const look = () => { const value = holds(); if (value) finish(value); };
        const observer = new MutationObserver(look);
        const timer = setTimeout(() => finish(holds()), within);
        observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
        addEventListener("hashchange", look);
        look();
      })`,
      settledWithin,
      ...args,
    );
    if (!found) throw new Error(`waited in vain for ${what}; the page says: ${(await this.text("body")).slice(0, 400)}`);
    return found;
  }

  async find(selector) {
    await this.until(selector, (selector) => document.querySelector(selector) !== null, selector);
    const element = await this.ask("POST", "/element", { using: "css selector", value: selector });
    return element[elementKey];
  }

  /** Clicks like a hand: scrolled into view, and refused where something lies above. */
  async click(selector) {
    await this.ask("POST", `/element/${await this.find(selector)}/click`);
  }

  async type(selector, text) {
    await this.ask("POST", `/element/${await this.find(selector)}/value`, { text });
  }

  /** Presses keys one after another, wherever the focus is. */
  async press(...pressed) {
    const actions = pressed.flatMap((value) => [{ type: "keyDown", value }, { type: "keyUp", value }]);
    await this.ask("POST", "/actions", { actions: [{ type: "key", id: "keyboard", actions }] });
  }

  async text(selector) {
    return this.run((selector) => document.querySelector(selector)?.innerText ?? "", selector);
  }

  /** Makes the page itself, not the window around it, this large. */
  async size(width, height) {
    const frame = await this.run(() => [outerWidth - innerWidth, outerHeight - innerHeight]);
    await this.ask("POST", "/window/rect", { width: width + frame[0], height: height + frame[1] });
    const [w, h] = await this.run(() => [innerWidth, innerHeight]);
    if (w === width && h === height) return;
    await this.ask("POST", "/window/rect", { width: width + frame[0] + width - w, height: height + frame[1] + height - h });
  }

  /** Saves what is seen. Two frames are let pass first: a driver may hand out the one before. */
  async screenshot(file) {
    await this.run(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, Buffer.from(await this.ask("GET", "/screenshot"), "base64"));
  }

  async end() {
    await this.ask("DELETE", "").catch(() => undefined);
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
