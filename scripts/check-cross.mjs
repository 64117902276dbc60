// `npm run check:cross`: compiles for Windows and macOS without linking, on Linux or macOS.
// A target that cannot be had here is shown as skipped, never as passed.
import { join } from "node:path";
import { compilerFor, targets } from "./lib/cross.mjs";
import { targetDir } from "./lib/paths.mjs";
import { output, run } from "./lib/run.mjs";
import { note, script } from "./lib/say.mjs";
import { runSteps, Skipped } from "./lib/steps.mjs";
import { setUp } from "./setup.mjs";

const packages = ["narthex-core", "narthex-desktop"];

script(async () => {
  await setUp("check:cross");
  return runSteps(
    "npm run check:cross",
    targets.map((target) => ({
      name: target.triple,
      about: `cargo check of ${packages.join(", ")}`,
      run: () => check(target),
    })),
  );
});

async function check(target) {
  await addStandardLibrary(target.triple);
  const compiler = await compilerFor(target);
  note(`C by ${compiler.name}; the first time about 90 seconds on two cores`);
  // Its own folder: the checks do not make the ordinary build wait or start over.
  const where = ["--target", target.triple, "--target-dir", join(targetDir(), "cross")];
  const what = packages.flatMap((name) => ["--package", name]);
  const code = await run("cargo", ["check", "--locked", ...what, ...where], { env: compiler.env });
  return code || `C by ${compiler.name}`;
}

async function addStandardLibrary(triple) {
  if (output("rustup", ["--version"]) === null) {
    throw new Skipped(`no rustup here to add Rust's standard library for ${triple}`);
  }
  const installed = output("rustup", ["target", "list", "--installed"]) ?? "";
  if (installed.split("\n").includes(triple)) return;
  if ((await run("rustup", ["target", "add", triple])) !== 0) {
    throw new Skipped(`rustup could not add the target ${triple}`);
  }
}
