// C compilers for other systems: SQLite and ring compile C even where nothing is linked.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { targetDir } from "./paths.mjs";
import { output } from "./run.mjs";
import { venv } from "./venv.mjs";

/** The systems that are checked, and how zig calls each. */
export const targets = [
  { triple: "x86_64-pc-windows-gnu", zig: "x86_64-windows-gnu", gcc: "x86_64-w64-mingw32-gcc" },
  { triple: "aarch64-apple-darwin", zig: "aarch64-macos" },
];

/** Returns the environment in which Cargo's build scripts compile C for this target. */
export async function compilerFor(target) {
  // The cc crate finds this one by itself.
  if (target.gcc && output(target.gcc, ["--version"]) !== null) return { env: {}, name: target.gcc };
  const tools = join(targetDir(), "tools");
  const programs = await venv(join(tools, "zig"), ["ziglang==0.17.0"], "about 15 seconds, 440 MB");
  const folder = join(tools, "cross", target.triple);
  mkdirSync(folder, { recursive: true });
  const zig = `"${join(programs, "python")}" -m ziglang`;
  writeFileSync(join(folder, "empty.c"), "");
  const key = target.triple.replaceAll("-", "_");
  return {
    name: "zig cc",
    env: {
      [`CC_${key}`]: writeProgram(join(folder, "cc"), compiler(zig, target.zig, join(folder, "empty.c"))),
      [`AR_${key}`]: writeProgram(join(folder, "ar"), `exec ${zig} ar "$@"`),
    },
  };
}

function writeProgram(path, body) {
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}

/**
 * A shell script around `zig cc`: it drops the arguments by which the cc crate names the target its
 * own way, and compiles an empty file in place of Objective-C, whose frameworks are not here. Good
 * for a check, where nothing is linked.
 */
function compiler(zig, target, empty) {
  return `
skip=
for argument do
  shift
  if [ -n "$skip" ]; then skip=; continue; fi
  case "$argument" in
    --target=* | -m*-version-min=*) continue ;;
    -arch | -isysroot | -target) skip=1; continue ;;
    *.m | *.mm) argument="${empty}" ;;
  esac
  set -- "$@" "$argument"
done
exec ${zig} cc -target ${target} "$@"`.trim();
}
