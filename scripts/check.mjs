// `npm run check`: everything that is judged without running the tests.
import { cargo } from "./lib/cargo.mjs";
import { runDeny } from "./lib/deny.mjs";
import { checkGenerated } from "./lib/generated.mjs";
import { run } from "./lib/run.mjs";
import { script } from "./lib/say.mjs";
import { checkScripts } from "./lib/selfcheck.mjs";
import { runSteps } from "./lib/steps.mjs";
import { buildUi, inUi } from "./lib/ui.mjs";
import { checkWall } from "./lib/wall.mjs";
import { setUp } from "./setup.mjs";

const steps = [
  {
    name: "format",
    about: "cargo fmt --check",
    run: () => cargo("fmt", "--all", "--check"),
  },
  {
    name: "scripts",
    about: "every script parses and is short",
    run: checkScripts,
  },
  {
    name: "wall",
    about: "narthex-core depends on nothing of a window",
    run: checkWall,
  },
  {
    name: "pages",
    about: "svelte-check and the TypeScript compiler, warnings are errors",
    run: async () => (await inUi("check")) || buildUi(),
  },
  {
    name: "clippy",
    about: "all targets, warnings are errors",
    run: () => cargo("clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"),
  },
  {
    name: "rustdoc",
    about: "the documentation builds, warnings are errors",
    run: () => run("cargo", ["doc", "--locked", "--workspace", "--no-deps"], { env: { RUSTDOCFLAGS: "-D warnings" } }),
  },
  {
    name: "generated",
    about: "files that programs write are up to date",
    run: checkGenerated,
  },
  {
    name: "dependencies",
    about: "licences, bans and sources by deny.toml",
    run: () => runDeny("licenses", "bans", "sources"),
  },
];

script(async () => {
  await setUp("check");
  return runSteps("npm run check", steps);
});
