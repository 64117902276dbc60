// The desktop under test: started, asked over REST and by the command line, its window opened and
// closed the way a person would.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Stop } from "../lib/say.mjs";
import { cliBeside } from "./scene.mjs";
import { windowsOf } from "./screen.mjs";
import { ended } from "./session.mjs";

const readyWithin = 30_000;

/** As at login, on any free port, with the file's word taken for everything in it. */
export const hiddenStart = ["--hidden", "--listen", "127.0.0.1:0", "--trust-config"];

export class App {
  constructor(session, program, child) {
    Object.assign(this, { session, program, child });
  }

  /** Starts it; resolves once its core answers. */
  static async start(session, program, args = hiddenStart) {
    const app = new App(session, program, session.spawn(program, args));
    await app.ready();
    return app;
  }

  get pid() {
    return this.child?.pid ?? this.#lock().pid;
  }

  #lock() {
    return JSON.parse(readFileSync(join(this.session.narthexHome, "core.lock"), "utf8"));
  }

  /** Asks the core over REST; throws what it answers when it refuses. */
  async ask(path, options = {}) {
    const token = readFileSync(join(this.session.narthexHome, "control.token"), "utf8").trim();
    const answer = await fetch(`http://${this.#lock().address}${path}`, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } });
    if (!answer.ok) throw new Stop(`${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  async ready() {
    await this.until("its core to answer", () => this.ask("/api/v1/servers"));
  }

  /** Waits until every server that is named has this condition. */
  async conditions(names, condition) {
    await this.until(`${names.join(", ")} to be ${condition}`, async () => {
      const { servers } = await (await this.ask("/api/v1/servers")).json();
      const others = servers.filter((server) => names.includes(server.name) && server.condition !== condition);
      if (others.length || servers.length < names.length) throw new Stop(others.map(({ name, sentence }) => `${name}: ${sentence}`).join("\n"));
    });
  }

  /** Resolves to what `attempt` returns once it no longer throws. */
  async until(what, attempt, within = readyWithin) {
    const deadline = Date.now() + within;
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (this.child && (this.child.exitCode !== null || this.child.signalCode)) throw new Stop(`${this.program} ended with ${this.child.exitCode ?? this.child.signalCode}\n${this.log()}`);
        if (Date.now() > deadline) throw new Stop(`waited ${within / 1000} s for ${what}: ${error.message}\n${this.log()}`);
        await sleep(100);
      }
    }
  }

  log() {
    return this.child ? this.session.logOf(this.program).split("\n").slice(-15).join("\n") : "";
  }

  /** Runs `narthex` in the same home and returns what it printed. */
  cli(...args) {
    return this.session.output(cliBeside(this.program), args);
  }

  windows() {
    return windowsOf(this.session, [this.pid]);
  }

  /** Opens the window by a second start, which hands over and ends; resolves to its id. */
  async openWindow() {
    const second = this.session.spawn(this.program, []);
    const how = await Promise.race([ended(second), sleep(readyWithin, "late", { ref: false })]);
    if (how !== 0) throw new Stop(`the second start ended with ${how}\n${this.log()}`);
    return this.until("the window", () => {
      const [window] = this.windows();
      if (!window) throw new Stop("no window");
      return window;
    });
  }

  /** Closes the window by the window manager, which asks it to close and leaves the rest to it. */
  async closeWindow(window = this.windows()[0]) {
    this.session.output("xdotool", ["windowactivate", "--sync", window, "key", "--clearmodifiers", "alt+F4"]);
    await this.until("the window to close", () => {
      if (this.windows().includes(window)) throw new Stop("still there");
    });
  }
}
