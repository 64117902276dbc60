// `npm run test:real`: real servers behind Narthex, driven by real clients. `npm test` runs it too.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { mustCargo } from "./lib/cargo.mjs";
import { debugBinary } from "./lib/paths.mjs";
import { duration, green, note, red, script } from "./lib/say.mjs";
import { Tally } from "./lib/tally.mjs";
import { allConnected, endCore, startCore } from "./real/core.mjs";
import { byInspector, bySdk, row } from "./real/drive.mjs";
import { installed } from "./real/packages.mjs";
import { everythingOverHttp, servers } from "./real/servers.mjs";
import { setUp } from "./setup.mjs";

/** Runs it all against a binary, prints a table, counts into the tally; returns an exit code. */
export async function testReal(tally, binary = debugBinary("narthex")) {
  const at = await installed();
  const home = mkdtempSync(join(tmpdir(), "narthex-real-"));
  const http = await everythingOverHttp(at);
  try {
    const rows = await ask(at, binary, home, servers(at, home, http.port));
    rows.forEach(print);
    const failed = rows.filter(({ passed }) => !passed).length;
    tally.add(rows.length - failed, failed);
    return failed ? 1 : 0;
  } finally {
    http.end();
    rmSync(home, { recursive: true, force: true });
  }
}

async function ask(at, binary, home, behind) {
  const names = behind.map(({ name }) => name);
  const core = await startCore(binary, home, behind);
  const connected = await row("core", "connect", "all", () => allConnected(core, names));
  const asked = connected.passed ? [...(await byInspector(at, core, behind)), ...(await bySdk(at, core, behind))] : [];
  const ended = await row("core", "SIGTERM", "all", () => endCore(core));
  return [connected, ...asked, ended];
}

function print({ client, what, server, passed, detail, ms }) {
  const word = passed ? green("ok    ") : red("FAILED");
  const shown = passed ? detail.replace(/\s+/g, " ").slice(0, 60) : detail;
  note(`${word}  ${client.padEnd(10)}  ${what.padEnd(22)}  ${server.padEnd(15)}  ${duration(ms).padStart(8)}  ${shown}`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  script(async ([binary]) => {
    await setUp("test:real");
    if (!binary) await mustCargo("build", "--locked", "--package", "narthex-core", "--bins");
    const tally = new Tally();
    const code = await testReal(tally, binary);
    console.log(`\n${tally.line}`);
    return code;
  });
}
