// cargo-deny, by deny.toml.
import { run } from "./run.mjs";
import { cargoTool } from "./tool.mjs";

const version = "0.20.2";

/** Runs cargo-deny with deny.toml; the first time builds it. */
export async function runDeny(...checks) {
  const program = await cargoTool("cargo-deny", version, "2 minutes");
  return run(program, ["--locked", "check", ...checks]);
}
