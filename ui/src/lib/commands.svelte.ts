// What a person asked for and has no answer to yet. A pressed control shows that it is pending; what
// holds is never guessed, it comes from the core alone.
import type { Approval, Command, Envelope, JsonValue, WhyDeclined } from "../bindings";
import type { Core } from "./core.svelte";
import { type Refusal, asRefusal } from "./refusal";

export type Asked = Command | "approve" | "remove" | "pause" | "resume";

/** What is to be said to the person: the last refusal, or something done that can be undone. */
export type Said =
  | { kind: "refused"; what: string; refusal: Refusal }
  | { kind: "done"; what: string; undo: (() => void) | null };

export class Commands {
  #pending: ReadonlyMap<string, Asked> = $state.raw(new Map());
  said: Said | null = $state.raw(null);
  /** The command ids of approvals that wait for the desktop's window, by server. */
  #confirming: ReadonlyMap<string, string> = $state.raw(new Map());
  /** The entries that were written here, so that a removal can be undone. */
  #entries = new Map<string, JsonValue>();

  constructor(private readonly core: Core) {
    core.onTold((told) => this.#told(told));
  }

  pending(key: string): Asked | null {
    return this.#pending.get(key) ?? null;
  }

  isConfirming(name: string): boolean {
    return this.#confirming.has(name);
  }

  knowsEntry(name: string): boolean {
    return this.#entries.has(name);
  }

  wish(name: string, command: Command): Promise<boolean> {
    return this.#run(name, command, () => this.core.transport.wish(name, command));
  }

  pause = () => this.#run(ALL, "pause", () => this.core.transport.pause());
  resume = () => this.#run(ALL, "resume", () => this.core.transport.resume());

  /** Returns null when it was approved or waits for a confirmation, else why not. */
  async approve(name: string, approval: Approval): Promise<Refusal | null> {
    let refusal: Refusal | null = null;
    this.said = null;
    await this.#whilePending(name, "approve", async () => {
      try {
        const answer = await this.core.transport.approve(name, approval);
        if ("revision" in answer) return answer.revision;
        this.#confirming = new Map(this.#confirming).set(name, answer.command);
      } catch (error) {
        refusal = asRefusal(error);
      }
      return null;
    });
    return refusal;
  }

  async add(name: string, entry: JsonValue): Promise<Refusal | null> {
    try {
      const { revision } = await this.core.transport.addServer(name, entry);
      this.#entries.set(name, entry);
      await this.core.reached(revision);
      return null;
    } catch (error) {
      return asRefusal(error);
    }
  }

  async remove(name: string): Promise<boolean> {
    const entry = this.#entries.get(name);
    const done = await this.#run(name, "remove", () => this.core.transport.removeServer(name));
    if (done) {
      const undo = entry === undefined ? null : () => void this.#putBack(name, entry);
      this.said = { kind: "done", what: `${name} was removed.`, undo };
    }
    return done;
  }

  refused(what: string, error: unknown) {
    this.said = { kind: "refused", what, refusal: asRefusal(error) };
  }

  async #putBack(name: string, entry: JsonValue) {
    const refusal = await this.add(name, entry);
    this.said = refusal ? { kind: "refused", what: `${name} was not added again`, refusal } : null;
  }

  async #run(key: string, asked: Asked, ask: () => Promise<{ revision: number }>): Promise<boolean> {
    let done = false;
    this.said = null;
    await this.#whilePending(key, asked, async () => {
      try {
        const { revision } = await ask();
        done = true;
        return revision;
      } catch (error) {
        this.refused(key === ALL ? sentence[asked] : `${key}: ${sentence[asked]}`, error);
        return null;
      }
    });
    return done;
  }

  async #whilePending(key: string, asked: Asked, ask: () => Promise<number | null>) {
    this.#pending = new Map(this.#pending).set(key, asked);
    const revision = await ask();
    if (revision !== null) await this.core.reached(revision);
    const pending = new Map(this.#pending);
    pending.delete(key);
    this.#pending = pending;
  }

  /** An approval that waited was answered: by what it caused, or by a no. */
  #told(told: Envelope) {
    if (told.event !== "declined" && told.event !== "server") return;
    for (const [name, confirming] of this.#confirming) {
      if (confirming !== told.data.command) continue;
      const left = new Map(this.#confirming);
      left.delete(name);
      this.#confirming = left;
      if (told.event === "server") continue;
      this.said = { kind: "done", what: `${name} was not approved: ${why[told.data.why]}.`, undo: null };
    }
  }
}

/** The key of what concerns all servers; no server can be called so. */
export const ALL = "..";

const why: Record<WhyDeclined, string> = {
  answered_no: "somebody at the desktop declined",
  moved_on: "it had changed by the time somebody at the desktop answered",
  not_answered: "nobody at the desktop answered",
};

const sentence: Record<Asked, string> = {
  connect: "not connected",
  disconnect: "not disconnected",
  restart: "not restarted",
  quarantine: "not put in quarantine",
  approve: "not approved",
  remove: "not removed",
  pause: "The servers were not paused",
  resume: "The servers were not resumed",
};
