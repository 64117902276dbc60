// Cargo, with the minutes a person should expect.
import { existsSync } from "node:fs";
import { debugBinary } from "./paths.mjs";
import { run, must } from "./run.mjs";
import { note } from "./say.mjs";

/** Says how long a build will take, by whether one was made before. */
export function sayHowLong(first, later, binary = "narthex") {
  const isFirst = !existsSync(debugBinary(binary));
  note(isFirst ? `the first time: ${first} on two cores` : `built before: ${later}`);
}

export const cargo = (...args) => run("cargo", args);
export const mustCargo = (...args) => must("cargo", args);
