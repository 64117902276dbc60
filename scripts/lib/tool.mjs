// Cargo's further commands: the pinned version from PATH, or one built once into target/tools.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { targetDir } from "./paths.mjs";
import { must, output } from "./run.mjs";
import { note } from "./say.mjs";

/** Returns the program of `name` in just this version; the first time builds it. */
export async function cargoTool(name, version, howLong) {
  const answers = (program) => output(program, ["--version"]) === `${name} ${version}`;
  const tools = join(targetDir(), "tools");
  const own = join(tools, "bin", process.platform === "win32" ? `${name}.exe` : name);
  if (answers(name)) return name;
  if (existsSync(own) && answers(own)) return own;
  note(`building ${name} ${version} into ${tools}: once, about ${howLong} on two cores`);
  const build = join(tools, "build");
  // Unoptimised it is built in a quarter of the time and is fast enough.
  const how = ["--quiet", "--debug", "--locked", "--root", tools, "--target-dir", build];
  await must("cargo", ["install", `${name}@${version}`, ...how], { env: { CARGO_PROFILE_DEV_DEBUG: "false" } });
  rmSync(build, { recursive: true, force: true });
  return own;
}
