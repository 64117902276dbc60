// `npm start`: builds the core and runs it in the foreground. What follows `--` goes to
// `narthex serve`.
import { mustCargo, sayHowLong } from "./lib/cargo.mjs";
import { debugBinary } from "./lib/paths.mjs";
import { inForeground } from "./lib/run.mjs";
import { heading, note, script } from "./lib/say.mjs";
import { setUp } from "./setup.mjs";

script(async (args) => {
  console.log("Narthex from source, in three steps: set-up, build, and the core in this terminal.");
  await setUp("start");

  heading("build: cargo build --package narthex-core --bins");
  sayHowLong("2 to 5 minutes", "seconds, or a minute after many changes");
  await mustCargo("build", "--locked", "--package", "narthex-core", "--bins");

  heading(`run: ${["narthex", "serve", ...args].join(" ")}`);
  note("It prints its address and what to paste into a client.");
  note("Ctrl-C ends it, and every server it started.\n");
  return inForeground(debugBinary("narthex"), ["serve", ...args]);
});
