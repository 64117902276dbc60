// What a server offers, as it was when it was shown.
import type { Server } from "../../bindings";
import type { App } from "../../lib/app.svelte";
import { type Offered, offeredIn, tellsOfAll } from "../../lib/offered";
import { type Refusal, asRefusal } from "../../lib/refusal";

export type Offers =
  | { kind: "loading" }
  | { kind: "failed"; refusal: Refusal }
  /** `epoch` names exactly this, if it is `whole`: an older core tells of tools only. An approval names it. */
  | { kind: "shown"; epoch: number | null; offered: Offered; whole: boolean };

/** How often a catalog that keeps changing is asked for again before it is shown without an epoch. */
const ATTEMPTS = 5;

export class OffersOf {
  now: Offers = $state.raw({ kind: "loading" });
  #load = 0;

  constructor(
    private readonly app: App,
    private readonly name: string,
  ) {}

  /**
   * Fetches what is offered. The list carries a revision and no epoch, so it counts as that of an
   * epoch only if the epoch before the question is still that of the answer's revision.
   */
  async load() {
    this.#load += 1;
    const load = this.#load;
    const { core } = this.app;
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const before = epochOf(core.server(this.name));
        const list = await core.transport.tools(this.name);
        const reached = await core.reached(list.revision);
        if (load !== this.#load) return;
        if (!reached || before !== epochOf(core.server(this.name))) continue;
        this.now = { kind: "shown", epoch: before, offered: offeredIn(list), whole: tellsOfAll(list) };
        return;
      }
      throw new Error("what it offers changes faster than it can be shown");
    } catch (error) {
      if (load === this.#load) this.now = { kind: "failed", refusal: asRefusal(error) };
    }
  }
}

const epochOf = (server: Server | undefined) => server?.epoch ?? null;
