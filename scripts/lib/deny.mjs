// cargo-deny: the pinned version from PATH, or one built once into target/tools.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { targetDir } from "./paths.mjs";
import { must, output, run } from "./run.mjs";
import { note } from "./say.mjs";

const version = "0.20.2";
const answers = (program) => output(program, ["--version"]) === `cargo-deny ${version}`;

/** Runs cargo-deny with deny.toml; the first time builds it. */
export async function runDeny(...checks) {
  return run(await cargoDeny(), ["--locked", "check", ...checks]);
}

async function cargoDeny() {
  const tools = join(targetDir(), "tools");
  const own = join(tools, "bin", process.platform === "win32" ? "cargo-deny.exe" : "cargo-deny");
  if (answers("cargo-deny")) return "cargo-deny";
  if (existsSync(own) && answers(own)) return own;
  note(`building cargo-deny ${version} into ${tools}: once, about 2 minutes on two cores`);
  const build = join(tools, "build");
  // Unoptimised it is built in a quarter of the time and still answers within three seconds.
  const how = ["--quiet", "--debug", "--locked", "--root", tools, "--target-dir", build];
  await must("cargo", ["install", `cargo-deny@${version}`, ...how], { env: { CARGO_PROFILE_DEV_DEBUG: "false" } });
  rmSync(build, { recursive: true, force: true });
  return own;
}
