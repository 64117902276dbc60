// The last lines of a log, as they come. Lines that come in a burst are shown in one go per frame.
import type { LogLine } from "../../bindings";
import { withoutColours } from "../../lib/invisible";
import type { LogFollower } from "../../lib/transport";

export type Shown =
  | ({ kind: "line"; key: number } & LogLine)
  /** Lines were missed here; how many may not be known. */
  | { kind: "gap"; key: number; missed: number };

/** More is in the file; this is what a person scrolls through. */
export const LINES_KEPT = 2_000;

export class LogBuffer {
  lines: readonly Shown[] = $state.raw([]);
  /** Why nothing more comes; null while it does. */
  ended: string | null = $state(null);
  #coming: Shown[] = [];
  #key = 0;
  #frame: number | null = null;

  constructor(private readonly nextFrame: (act: () => void) => number = (act) => requestAnimationFrame(act)) {}

  readonly follower: LogFollower = {
    line: (line) => this.#take({ kind: "line", key: this.#next(), ...line, line: withoutColours(line.line) }),
    missed: (missed) => this.#take({ kind: "gap", key: this.#next(), missed }),
    ended: (reason) => {
      this.ended = reason;
    },
  };

  #next() {
    this.#key += 1;
    return this.#key;
  }

  #take(shown: Shown) {
    this.#coming.push(shown);
    if (this.#coming.length > LINES_KEPT) this.#coming.shift();
    this.#frame ??= this.nextFrame(() => {
      this.#frame = null;
      this.lines = [...this.lines, ...this.#coming].slice(-LINES_KEPT);
      this.#coming = [];
    });
  }
}
