// Makes a machine ready for a command: looks for what is missing, installs it or says what to do.
// By hand: `npm run setup` prepares for every command, `npm run setup -- test` for one.
import { pathToFileURL } from "node:url";
import { needs } from "./lib/needs.mjs";
import { aptInstall, askPerson, installLines, mayInstall, packageManager } from "./lib/packages.mjs";
import { output } from "./lib/run.mjs";
import { heading, note, script, yellow } from "./lib/say.mjs";
import { checkToolchain, configChoosesMold, linksWithMold, useDefaultLinker } from "./lib/toolchain.mjs";

/** Prepares for a command of package.json; without one, for all of them. */
export async function setUp(command) {
  heading("set-up: what this machine has");
  const { rust, node } = checkToolchain();
  const manager = packageManager();
  const wanted = needs.filter((need) => !command || need.commands.includes(command));
  const missing = wanted.filter((need) => isNeededHere(need, manager) && !isMet(need));
  const required = missing.filter((need) => !need.optional);
  const optional = missing.filter((need) => need.optional);

  if (required.length) await install(manager, required);
  for (const need of optional) await tryToInstall(manager, need);
  settleLinker();
  if (!missing.length) note(`all there (Rust ${rust}, Node ${node})`);
}

function isNeededHere(need, manager) {
  return manager === null ? process.platform !== "win32" : manager in need.packages;
}

function isMet({ probe: [program, ...args] }) {
  return output(program, args) !== null;
}

async function install(manager, missing) {
  if (!mayInstall(manager)) askPerson(manager, missing);
  for (const need of missing) note(`missing: ${need.name} (${need.why})`);
  note("installing it with apt, which takes about a minute:");
  await aptInstall(missing.flatMap((need) => need.packages.apt));
  const still = missing.filter((need) => !isMet(need));
  if (still.length) askPerson(manager, still);
}

async function tryToInstall(manager, need) {
  note(`missing: ${need.name} (${need.why})`);
  if (mayInstall(manager)) await aptInstall(need.packages.apt);
  if (isMet(need)) return;
  note(yellow(`going on without ${need.name}: ${need.optional}`));
  for (const line of installLines(manager, [need])) note(`to have it: ${line}`);
}

function settleLinker() {
  if (!configChoosesMold() || linksWithMold()) return;
  useDefaultLinker();
  note(yellow('the C compiler cannot link with mold: building with RUSTFLAGS="" and the default linker'));
  note('a plain `cargo build` needs the same here: RUSTFLAGS="" cargo build');
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  script(([command]) => setUp(command));
}
