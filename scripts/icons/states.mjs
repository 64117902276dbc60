// Which shapes each state of the tray and each condition of a server is drawn with.
import * as arch from "./arch.mjs";

/** The inner mark is the only thing in colour: `mark` with a key of `inks`. */
export const trayStates = {
  well: { ink: arch.openArch },
  working: { ink: arch.openArch, mark: arch.lowerHalf, colour: "working" },
  waiting: { ink: arch.openArch, mark: arch.person, colour: "waiting" },
  failed: { ink: arch.struckArch, mark: arch.slash, colour: "failed" },
  paused: { ink: arch.solidArch },
};

/** What the panels are drawn on: `on-dark` is for dark ones. */
export const inks = {
  "on-dark": { ink: "#E9E6DF", working: "#86B4E3", waiting: "#E0AE52", failed: "#F0857A" },
  "on-light": { ink: "#22201C", working: "#2F5D8C", waiting: "#94600A", failed: "#B3362B" },
  template: { ink: "#000000", working: "#000000", waiting: "#000000", failed: "#000000" },
};

/** The wire's names of the twelve conditions. */
export const conditions = {
  connected: [arch.openArch],
  connecting: [arch.openArch, arch.lowerHalf],
  retrying: [arch.openArch, arch.steps],
  failed: [arch.struckArch, arch.slash],
  sign_in_needed: [arch.openArch, arch.keyhole],
  asleep: [arch.openArch, arch.sleeper],
  disconnected: [arch.partedArch],
  off: [arch.drawnArch],
  in_quarantine: [arch.openArch, arch.person],
  paused: [arch.solidArch],
  not_valid: [arch.openArch, arch.exclamation],
  closing: [arch.openArch, arch.upperHalf],
};
