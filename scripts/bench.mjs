// `npm run bench`: all benchmarks of the core. What follows `--` goes to `cargo bench`: a part of
// their names, or `--bench FILE`.
import { cargo } from "./lib/cargo.mjs";
import { output } from "./lib/run.mjs";
import { heading, note, script, Stop } from "./lib/say.mjs";
import { setUp } from "./setup.mjs";

script(async (args) => {
  await setUp("bench");
  const which = args.includes("--bench") ? [] : benches().flatMap((name) => ["--bench", name]);
  heading(["bench: cargo bench --package narthex-core", ...which, ...args].join(" "));
  note("the first time about 6 minutes on two cores for the release build, then the measuring");
  return cargo("bench", "--locked", "--package", "narthex-core", ...which, ...args);
});

/** The files in core/benches by name: `--benches` would run the unit tests' harness with them. */
function benches() {
  const { packages } = JSON.parse(output("cargo", ["metadata", "--no-deps", "--format-version", "1"]));
  const core = packages.find(({ name }) => name === "narthex-core");
  const names = core.targets.filter(({ kind }) => kind.includes("bench")).map(({ name }) => name);
  if (!names.length) throw new Stop("there are no benchmarks in core/benches.");
  return names;
}
