// The one store of the present. It subscribes first, then fetches, then applies what is told by
// revision, and fetches again only where something was missed. It never polls.
import type { Envelope, Server } from "../bindings";
import { type Present, apply, fetched, nothing } from "./present";
import { asRefusal } from "./refusal";
import type { Stop, Transport } from "./transport";

/** Whether what is shown is what holds. */
export type Link =
  | { kind: "opening" }
  | { kind: "live" }
  | { kind: "lost"; since: Date; reason: string }
  | { kind: "locked"; reason: string };

/** Between two attempts to fetch while the stream of events stands: the core answers, but not well. */
const FETCH_AGAIN_MS = 1_000;

/**
 * An event follows its answer within milliseconds. One that does not come by then was lost with its
 * stream, and what waits for it must not wait for ever.
 */
const REACHED_WITHIN_MS = 3_000;

export class Core {
  #present: Present = $state.raw(nothing);
  #link: Link = $state.raw({ kind: "opening" });
  /** What was told while a fetch is under way; null while none is. */
  #held: Envelope[] | null = null;
  #fetch = 0;
  #stop: Stop | null = null;
  #waiting = new Set<{ revision: number; reached: () => void }>();
  #hearers = new Set<(told: Envelope) => void>();

  readonly servers: readonly Server[] = $derived(
    [...this.#present.servers.values()].sort((a, b) => byName.compare(a.name, b.name)),
  );

  constructor(readonly transport: Transport) {}

  get present(): Present {
    return this.#present;
  }

  get link(): Link {
    return this.#link;
  }

  server(name: string): Server | undefined {
    return this.#present.servers.get(name);
  }

  start() {
    this.#stop = this.transport.follow({
      told: (told) => this.#told(told),
      reached: () => {
        if (this.#link.kind === "lost" && this.#held === null) this.#link = { kind: "live" };
      },
      lost: (reason) => this.#lost(reason),
    });
  }

  stop() {
    this.#stop?.();
    this.#stop = null;
    this.#fetch += 1;
  }

  /** Resolves to whether the view came to show this revision, or a later one, within reason. */
  reached(revision: number): Promise<boolean> {
    if (this.#held === null && this.#present.revision >= revision) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiting = {
        revision,
        reached: () => {
          clearTimeout(timer);
          resolve(true);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        resolve(false);
      }, REACHED_WITHIN_MS);
      this.#waiting.add(waiting);
    });
  }

  /** Passes on what is told, for those who wait for the end of a command. */
  onTold(hear: (told: Envelope) => void): Stop {
    this.#hearers.add(hear);
    return () => this.#hearers.delete(hear);
  }

  #told(told: Envelope) {
    if (told.event === "hello" || told.event === "gap") {
      void this.#refetch();
      return;
    }
    if (this.#held) this.#held.push(told);
    else this.#show(apply(this.#present, told));
    for (const hear of this.#hearers) hear(told);
  }

  async #refetch() {
    this.#fetch += 1;
    const fetch = this.#fetch;
    this.#held = [];
    while (fetch === this.#fetch) {
      try {
        const [status, list] = await Promise.all([this.transport.status(), this.transport.servers()]);
        if (fetch !== this.#fetch) return;
        // The two answers may be of two runs of the core, when one ended between them.
        if (status.instance !== list.instance) continue;
        const held = this.#held ?? [];
        this.#held = null;
        this.#link = { kind: "live" };
        this.#show(held.reduce(apply, fetched(status, list)));
        return;
      } catch (error) {
        if (fetch !== this.#fetch) return;
        const refusal = asRefusal(error);
        this.#lost(refusal.is("no-credential", "wrong-credential") ? refusal.kind : refusal.message);
        await new Promise((resolve) => setTimeout(resolve, FETCH_AGAIN_MS));
      }
    }
  }

  #lost(reason: string) {
    if (reason === "no-credential" || reason === "wrong-credential") {
      this.stop();
      this.#link = { kind: "locked", reason };
    } else if (this.#link.kind !== "lost") {
      this.#link = { kind: "lost", since: new Date(), reason };
    }
  }

  #show(present: Present) {
    this.#present = present;
    for (const waiting of this.#waiting) {
      if (present.revision < waiting.revision) continue;
      this.#waiting.delete(waiting);
      waiting.reached();
    }
  }
}

const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
