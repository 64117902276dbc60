// `npm run fuzz -- [TARGET] [SECONDS]`: libFuzzer on what reads the words of strangers (core/fuzz),
// each target for 20 minutes unless another time is asked for. It takes a nightly compiler, which
// nothing else here does, and builds its own tree in target/fuzz. What reaches code that nothing
// else does goes into the committed corpus, and what fails is kept and named.
import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { root, targetDir } from "./lib/paths.mjs";
import { must, output, run } from "./lib/run.mjs";
import { bold, heading, note, script, Stop } from "./lib/say.mjs";
import { cargoTool } from "./lib/tool.mjs";
import { setUp } from "./setup.mjs";

const version = "0.13.2";
const fuzz = join(root, "core", "fuzz");
const targets = readdirSync(join(fuzz, "fuzz_targets")).map((file) => basename(file, ".rs"));

/** Long inputs take the fuzzer's time and find what short ones find. */
const longest = 4096;

/**
 * The target of which files are kept that run the same lines another number of times: what it reads
 * has few lines and much state. For the others that would be three times the files.
 */
const counted = "events";

script(async (args) => {
  const numbers = args.filter((arg) => /^[1-9]\d*$/.test(arg));
  const asked = args.filter((arg) => !numbers.includes(arg));
  const unknown = asked.find((arg) => !targets.includes(arg));
  if (unknown) throw new Stop(`there is no target called ${unknown}; there are ${targets.join(", ")}.`);
  const seconds = Number(numbers[0] ?? 20 * 60);

  await setUp("fuzz");
  if (output("cargo", ["+nightly", "--version"]) === null) {
    throw new Stop("libFuzzer takes a nightly compiler. Run:\n\n  rustup toolchain install nightly --profile minimal\n");
  }
  const program = await cargoTool("cargo-fuzz", version, "1 minute");
  const here = join(targetDir(), "fuzz");
  const seeds = join(here, "seeds");
  heading("fuzz: seeds");
  await must("cargo", ["test", "--locked", "--quiet", "--package", "narthex-core", "--test", "fuzz", "--", "--ignored"], {
    env: { NARTHEX_FUZZ_SEEDS: seeds },
  });

  for (const target of asked.length ? asked : targets) {
    const inputs = join(here, "corpus", target);
    const committed = join(fuzz, "corpus", target);
    for (const folder of [inputs, committed]) mkdirSync(folder, { recursive: true });
    heading(`fuzz: ${target} for ${seconds} s`);
    note("the first time about 6 minutes on two cores for the build");
    const folders = [inputs, committed, join(seeds, target)];
    const how = [`-max_total_time=${seconds}`, `-max_len=${longest}`, "-timeout=10", "-print_final_stats=1"];
    const code = await fuzzer(program, here, target, folders, how);
    if (code) {
      note(bold(`what failed is in core/fuzz/artifacts/${target}:`));
      note(`put it right, and the file beside the others in core/fuzz/corpus/${target} as regression-WHAT.`);
      return code;
    }
    await minimise(program, here, target, folders, committed);
  }
  return 0;
});

/** Keeps the fewest files that reach all that any reaches, and every regression. */
async function minimise(program, here, target, folders, committed) {
  const fewest = join(here, "fewest", target);
  rmSync(fewest, { recursive: true, force: true });
  mkdirSync(fewest, { recursive: true });
  const counters = `-use_counters=${Number(target === counted)}`;
  const how = ["-set_cover_merge=1", counters, `-max_len=${longest}`, "-verbosity=0"];
  const code = await fuzzer(program, here, target, [fewest, ...folders], how);
  if (code) throw new Stop(`the corpus of ${target} could not be minimised.`);
  for (const file of readdirSync(committed)) {
    if (!file.startsWith("regression-")) rmSync(join(committed, file));
  }
  cpSync(fewest, committed, { recursive: true });
  note(`core/fuzz/corpus/${target} holds ${readdirSync(committed).length} files`);
}

/** Runs a target. Without a sanitizer: what is fuzzed is safe Rust, and goes twice as far in its time. */
function fuzzer(program, here, target, folders, how) {
  const build = ["--fuzz-dir", fuzz, "--target-dir", here, "--sanitizer", "none"];
  return run(program, ["fuzz", "run", ...build, target, ...folders, "--", ...how], {
    // Without this Cargo's own choice of a compiler would go before ours.
    env: { RUSTUP_TOOLCHAIN: "nightly" },
  });
}
