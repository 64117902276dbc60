// Where things are: the source tree and Cargo's target folder.
import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(fileURLToPath(new URL("../..", import.meta.url)));

const exe = process.platform === "win32" ? ".exe" : "";
let found;

/** Returns Cargo's target folder, which CARGO_TARGET_DIR or a configuration may have moved. */
export function targetDir() {
  if (!found) {
    const asked = spawnSync("cargo", ["metadata", "--no-deps", "--format-version", "1"], {
      cwd: root,
      encoding: "utf8",
    });
    found = asked.status === 0 ? JSON.parse(asked.stdout).target_directory : join(root, "target");
  }
  return found;
}

/** Returns the path of a binary of the dev profile. */
export function debugBinary(name) {
  return join(targetDir(), "debug", name + exe);
}
