// `npm run test:loom`: every interleaving of the publisher's protocol and of
// those who wait for a turn, within bounds (see
// core/tests/loom.rs). It builds its own tree in target/loom, for the flag changes every crate.
import { run } from "./lib/run.mjs";
import { heading, note, script } from "./lib/say.mjs";
import { setUp } from "./setup.mjs";

script(async (args) => {
  await setUp("test");
  heading("test:loom: the publisher's protocol and the turns under loom");
  note("the first time about 6 minutes on two cores for the build; the models take seconds");
  const env = { ...process.env, RUSTFLAGS: `${process.env.RUSTFLAGS ?? ""} --cfg narthex_loom`.trim() };
  const what = ["test", "--locked", "--package", "narthex-core", "--test", "loom", "--release"];
  return run("cargo", [...what, "--target-dir", "target/loom", ...args], { env });
});
