// `npm test`: every test there is. `npm test -- NAME` runs the Rust tests whose name contains NAME.
import { mustCargo, sayHowLong } from "./lib/cargo.mjs";
import { runAndRead } from "./lib/run.mjs";
import { buildUi, inUi } from "./lib/ui.mjs";
import { note, script } from "./lib/say.mjs";
import { runSteps } from "./lib/steps.mjs";
import { Tally } from "./lib/tally.mjs";
import { setUp } from "./setup.mjs";
import { testDesktop } from "./test-desktop.mjs";
import { testReal } from "./test-real.mjs";
import { testUi } from "./test-ui.mjs";

const tally = new Tally();

// The conformance server brings the official SDK, which nothing else is built with.
const ordinary = ["--workspace", "--exclude", "narthex-conformance"];

// One kind of test a step; a new kind is a step more. With a filter only those run that take one.
const steps = [
  {
    name: "pages",
    about: "the bundle of the web UI, which desktop and core embed",
    filtered: true,
    run: buildUi,
  },
  {
    name: "build",
    about: "binaries and tests",
    filtered: true,
    // Tests start target/debug/narthex and others, so all binaries come first; together with the
    // tests, because they share one set of features then, and Cargo compiles everything once.
    run: () => {
      sayHowLong("5 to 10 minutes", "seconds, or a minute after many changes", "narthex-desktop");
      return mustCargo("build", "--locked", ...ordinary, "--bins", "--tests");
    },
  },
  {
    name: "rust",
    about: "cargo test --workspace",
    filtered: true,
    run: (filter) => {
      const colour = process.stdout.isTTY ? ["--color", "always"] : [];
      const args = ["test", ...colour, "--locked", ...ordinary, "--no-fail-fast", ...filter, "--", ...colour];
      return runAndRead("cargo", args, (line) => tally.readCargo(line));
    },
  },
  {
    name: "page code",
    about: "vitest",
    run: () => inUi("test", (line) => tally.readVitest(line)),
  },
  {
    name: "pages in a browser",
    about: "Chromium before a real core",
    run: () => testUi(tally),
  },
  {
    name: "window and tray",
    about: "the desktop in sessions of its own",
    run: () => testDesktop(tally),
  },
  {
    name: "real servers",
    about: "and real clients, with and without Narthex, all messages compared",
    run: () => testReal(tally),
  },
];

script(async (args) => {
  await setUp("test");
  const chosen = args.length ? steps.filter((step) => step.filtered) : steps;
  const code = await runSteps(
    "npm test",
    chosen.map((step) => ({ ...step, run: () => step.run(args) })),
  );
  // A step that failed before its tests could fail counts as one failure.
  if (code && !tally.failed) tally.add(0, 1);
  if (tally.ran === 0) note(args.length ? `no test has ${args.join(" ")} in its name` : "no test ran");
  console.log(`\n${tally.line}`);
  return code || (tally.ran ? 0 : 1);
});
