// What a person has begun to write, and where they had scrolled to: kept outside the page, since the
// desktop destroys its window on close.
import { untrack } from "svelte";
import type { Transport } from "./transport";

export class Draft<T> {
  #value: T = $state() as T;
  #touched = false;

  constructor(
    private readonly transport: Transport,
    private readonly key: string,
    initial: T,
    arrived: (value: T) => void = () => undefined,
  ) {
    this.#value = initial;
    void transport
      .recall(key)
      .then((kept) => {
        // What the person typed while the answer was on its way counts more.
        if (kept === null || kept === undefined || untrack(() => this.#touched)) return;
        this.#value = kept as T;
        arrived(kept as T);
      })
      .catch(() => undefined);
  }

  get value(): T {
    return this.#value;
  }

  set value(value: T) {
    this.#touched = true;
    this.#value = value;
    this.transport.keep(this.key, $state.snapshot(value));
  }

  clear(initial: T) {
    this.value = initial;
  }
}
