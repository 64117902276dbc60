// `npm run bench`: all benchmarks. What follows `--` goes to `cargo bench`: a part of their names,
// or `--bench FILE`.
import { cargo } from "./lib/cargo.mjs";
import { output } from "./lib/run.mjs";
import { heading, note, script, Stop } from "./lib/say.mjs";
import { buildUi } from "./lib/ui.mjs";
import { setUp } from "./setup.mjs";

script(async (args) => {
  const asked = args.flatMap((arg, index) => (args[index - 1] === "--bench" ? [arg] : []));
  const chosen = benches().filter(({ name }) => !asked.length || asked.includes(name));
  if (!chosen.length) throw new Stop(`there is no benchmark called ${asked.join(" or ")}.`);
  await setUp("bench");
  if (chosen.some(({ from }) => from === "narthex-desktop")) {
    await setUp("start:desktop");
    await buildUi();
  }
  const rest = args.filter((arg, index) => arg !== "--bench" && args[index - 1] !== "--bench");
  for (const from of new Set(chosen.map((bench) => bench.from))) {
    // By name: `--benches` would run the unit tests' harness with them.
    const which = chosen.filter((bench) => bench.from === from).flatMap(({ name }) => ["--bench", name]);
    heading(["bench: cargo bench --package", from, ...which, ...rest].join(" "));
    note("the first time about 6 minutes on two cores for the release build, then the measuring");
    const code = await cargo("bench", "--locked", "--package", from, ...which, ...rest);
    if (code) return code;
  }
  return 0;
});

/** Every benchmark, and the package it is in. */
function benches() {
  const { packages } = JSON.parse(output("cargo", ["metadata", "--no-deps", "--format-version", "1"]));
  return packages.flatMap(({ name: from, targets }) =>
    targets.filter(({ kind }) => kind.includes("bench")).map(({ name }) => ({ from, name })),
  );
}
