// Rust and Node: the two things a person brings, and the linker that .cargo/config.toml asks for.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { output } from "./run.mjs";
import { Stop } from "./say.mjs";

const oldestRust = [1, 95];
const oldestNode = [20, 19];

/** Stops unless Node and Rust are there and new enough. */
export function checkToolchain() {
  if (isOlder(process.versions.node, oldestNode)) {
    throw new Stop(
      `Node ${process.versions.node} is too old: Narthex needs ${oldestNode.join(".")} or newer.\n` +
        "Install a newer one (its site has it for every system) and run the command again.",
    );
  }
  const rustc = output("rustc", ["--version"]) ?? fromCargoHome();
  if (!rustc) {
    throw new Stop("Rust was not found. Install it with rustup (https://rustup.rs), open a new terminal and try again.");
  }
  const version = rustc.split(" ")[1];
  if (isOlder(version, oldestRust)) {
    throw new Stop(`Rust ${version} is too old: Narthex needs ${oldestRust.join(".")} or newer.\nRun:\n\n  rustup update stable\n`);
  }
  return { rust: version, node: process.versions.node };
}

/** A shell opened before rustup was installed does not know its folder yet. */
function fromCargoHome() {
  const bin = join(process.env.CARGO_HOME ?? join(homedir(), ".cargo"), "bin");
  if (!existsSync(bin)) return null;
  process.env.PATH = `${process.env.PATH}${delimiter}${bin}`;
  return output("rustc", ["--version"]);
}

/**
 * Returns whether `cc` links with mold, by linking an empty program: mold may be missing, or `cc`
 * too old to know it (gcc before 12.1).
 */
export function linksWithMold() {
  const folder = mkdtempSync(join(tmpdir(), "narthex-link-"));
  try {
    const source = join(folder, "empty.c");
    writeFileSync(source, "int main(void) { return 0; }\n");
    const linked = spawnSync("cc", ["-fuse-ld=mold", "-o", join(folder, "empty"), source]);
    return linked.status === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Returns whether .cargo/config.toml's choice of a linker counts here. */
export function configChoosesMold() {
  const overruled = "RUSTFLAGS" in process.env || "CARGO_ENCODED_RUSTFLAGS" in process.env;
  return process.platform === "linux" && ["x64", "arm64"].includes(process.arch) && !overruled;
}

/** Makes Cargo, and all that is started from here, link with the default linker. */
export function useDefaultLinker() {
  process.env.RUSTFLAGS = "";
}

function isOlder(version, [major, minor]) {
  const [is, point] = version.split(".").map(Number);
  return is < major || (is === major && point < minor);
}
