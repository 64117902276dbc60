// npm's own script, for packages that go into the target folder.
import { join } from "node:path";

/** Returns the one that runs us, or the one beside this Node. */
export function npm() {
  const beside = process.platform === "win32" ? "../node_modules" : "../../lib/node_modules";
  return process.env.npm_execpath ?? join(process.execPath, beside, "npm/bin/npm-cli.js");
}
