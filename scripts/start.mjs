// `npm start`: builds Narthex and runs it in the foreground: the desktop where there is a display,
// `narthex serve` where there is none. What follows `--` goes to it.
import { mustCargo, sayHowLong } from "./lib/cargo.mjs";
import { debugBinary } from "./lib/paths.mjs";
import { inForeground } from "./lib/run.mjs";
import { heading, note, script } from "./lib/say.mjs";
import { buildUi } from "./lib/ui.mjs";
import { setUp } from "./setup.mjs";

script(async (args) => (hasDisplay() ? desktop(args) : headless(args)));

async function desktop(args) {
  console.log("Narthex from source: set-up, the pages of the window, the program, and a start.");
  await setUp("start:desktop");
  await buildUi();

  heading("build: cargo build --package narthex-desktop --package narthex-core --bins");
  sayHowLong("5 to 10 minutes", "seconds, or a minute after many changes", "narthex-desktop");
  await mustCargo("build", "--locked", "--package", "narthex-desktop", "--package", "narthex-core", "--bins");

  heading(`run: ${["narthex-desktop", ...args].join(" ")}`);
  note("Its window opens. Closed, Narthex stays in the tray; Quit there ends it.");
  note("Two demo servers are there: one runs, one waits in quarantine for your review.");
  note("Ctrl-C here ends it too, and every server it started.\n");
  return inForeground(debugBinary("narthex-desktop"), args);
}

async function headless(args) {
  console.log("Narthex from source: set-up, build, and the core in this terminal (no display here).");
  await setUp("start");
  await buildUi();

  heading("build: cargo build --package narthex-core --bins");
  sayHowLong("2 to 5 minutes", "seconds, or a minute after many changes");
  await mustCargo("build", "--locked", "--package", "narthex-core", "--bins");

  heading(`run: ${["narthex", "serve", ...args].join(" ")}`);
  note("It prints its address and what to paste into a client; `narthex ui` shows its pages.");
  note("Ctrl-C ends it, and every server it started.\n");
  return inForeground(debugBinary("narthex"), ["serve", ...args]);
}

/** Windows and macOS always have one; elsewhere a variable names it. */
function hasDisplay() {
  const { DISPLAY, WAYLAND_DISPLAY } = process.env;
  return ["win32", "darwin"].includes(process.platform) || Boolean(DISPLAY || WAYLAND_DISPLAY);
}
