// What was recorded on one connection, or many: messages in order, `{ conn, from, raw }`.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { recordingProxy } from "./http.mjs";

const tee = fileURLToPath(new URL("tee.mjs", import.meta.url));

/** Records what goes to an address. */
export class AddressTape {
  #messages = [];
  #proxy;

  /** Returns a tape before this origin, once it listens. */
  static async before(origin) {
    const tape = new AddressTape();
    tape.#proxy = await recordingProxy(origin, (message) => tape.#record(message));
    return tape;
  }

  /** A server may say all of a session again to who comes back to one of its streams: once is enough. */
  #record(message) {
    const said = ({ conn, raw }) => conn === message.conn && raw === message.raw;
    if (!message.again || !this.#messages.some(said)) this.#messages.push(message);
  }

  get origin() {
    return this.#proxy.origin;
  }

  /** Returns the messages from the one with this number on. */
  from(number) {
    return this.#messages.slice(number);
  }

  close() {
    this.#proxy.close();
  }
}

/** Records what goes to a program on its standard streams. */
export class ProgramTape {
  #file;

  /** The file must not exist, or be a tape. */
  constructor(file) {
    this.#file = file;
  }

  /** Returns the command line by which `who` runs a program under this tape. */
  around({ command, args, env }, who) {
    return { command: process.execPath, args: [tee, this.#file, command, ...args], ...(env && { env: env(who) }) };
  }

  from(number) {
    if (!existsSync(this.#file)) return [];
    const lines = readFileSync(this.#file, "utf8").split("\n").filter(Boolean);
    return lines.slice(number).map((line) => JSON.parse(line));
  }

  close() {}
}

/** Writes messages to a file, for a person who looks for a difference. */
export function save(file, messages) {
  writeFileSync(file, messages.map(({ conn, from, raw }) => `${from} ${conn ?? "-"} ${raw}\n`).join(""));
}
