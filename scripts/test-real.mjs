// `npm run test:real`: every real client before every real server, through Narthex and without it,
// with all messages recorded and compared. `npm test` runs it too. What follows `--`: a `narthex` to
// test, and names of clients, for only those.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { mustCargo } from "./lib/cargo.mjs";
import { debugBinary } from "./lib/paths.mjs";
import { note, red, script, Stop } from "./lib/say.mjs";
import { Tally } from "./lib/tally.mjs";
import { clients } from "./real/clients.mjs";
import { allConnected, endCore, startCore } from "./real/core.mjs";
import { behindTapes, everyPair } from "./real/matrix.mjs";
import { installed } from "./real/packages.mjs";
import { Report } from "./real/report.mjs";
import { everythingAtAddresses, makePlace, servers } from "./real/servers.mjs";
import { setUp } from "./setup.mjs";

/** Runs it all against a binary, prints a table, counts into the tally; returns an exit code. */
export async function testReal(tally, binary = debugBinary("narthex"), only = []) {
  const at = await installed();
  // Kept until the next run: who looks for a difference finds the tapes here.
  const folder = join(at.folder, "run");
  const home = join(folder, "home");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  const place = makePlace(join(folder, "place"));
  const addresses = await everythingAtAddresses(at);
  const report = new Report();
  try {
    const behind = await behindTapes(servers(at, place), addresses.origins, folder);
    const core = await startCore(binary, home, behind);
    await allConnected(core, behind.map(({ name }) => name));
    const all = clients(at, folder, { binary, home });
    const unknown = only.filter((name) => !all.some((client) => client.name === name));
    if (unknown.length) throw new Stop(`no client is called ${unknown.join(", ")}; there are ${all.map(({ name }) => name).join(", ")}.`);
    const chosen = all.filter(({ name }) => !only.length || only.includes(name));
    await everyPair({ folder, place, core, origins: addresses.origins, servers: behind }, chosen, (pair) => report.add(pair));
    report.prove();
    report.print(behind.map(({ name }) => name), all.map(({ name }) => name));
    const ended = await endCore(core).then(() => true, (error) => (note(`${red("FAILED")}  the end of the core: ${error.message}`), false));
    for (const { tape } of behind) tape.close();
    tally.add(report.passed + (ended ? 1 : 0), report.failed + (ended ? 0 : 1));
    if (report.failed) note(`the messages are in ${folder}`);
    return report.failed || !ended ? 1 : 0;
  } finally {
    addresses.end();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  script(async (args) => {
    await setUp("test:real");
    const binary = args.find((arg) => existsSync(arg));
    if (!binary) await mustCargo("build", "--locked", "--package", "narthex-core", "--bins");
    const tally = new Tally();
    const code = await testReal(tally, binary, args.filter((arg) => arg !== binary));
    console.log(`\n${tally.line}`);
    return code;
  });
}
