// `npm run bench`: all benchmarks of the core, or `npm run bench -- NAME …` for some.
import { cargo } from "./lib/cargo.mjs";
import { heading, note, script } from "./lib/say.mjs";
import { setUp } from "./setup.mjs";

script(async (args) => {
  await setUp("bench");
  heading(["bench: cargo bench --package narthex-core --benches", ...args].join(" "));
  note("the first time: several minutes on two cores for the release build, then the measuring");
  return cargo("bench", "--locked", "--package", "narthex-core", "--benches", ...args);
});
