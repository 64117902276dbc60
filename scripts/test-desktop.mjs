// `npm run test:desktop`: the real window and tray program in sessions of their own. `npm test` runs
// it too. The menu itself is tested over D-Bus by src-tauri's own tests.
import { pathToFileURL } from "node:url";
import { attachedFlows } from "./desktop/attached.mjs";
import { hiddenConfirmation } from "./desktop/confirmation.mjs";
import { windowFlows } from "./desktop/flows.mjs";
import { lives } from "./desktop/lives.mjs";
import { mustCargo } from "./lib/cargo.mjs";
import { debugBinary } from "./lib/paths.mjs";
import { script } from "./lib/say.mjs";
import { Tally } from "./lib/tally.mjs";
import { setUp } from "./setup.mjs";

/** Runs it all against a binary that has `narthex` beside it; counts into the tally, returns an exit code. */
export async function testDesktop(tally, binary = debugBinary("narthex-desktop")) {
  const before = tally.failed;
  await windowFlows(tally, binary);
  await hiddenConfirmation(tally, binary);
  await attachedFlows(tally, binary);
  await lives(tally, binary);
  return tally.failed > before ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  script(async ([binary]) => {
    await setUp("test:desktop");
    if (!binary) await mustCargo("build", "--locked", "--workspace", "--bins");
    const tally = new Tally();
    const code = await testDesktop(tally, binary);
    console.log(`\n${tally.line}`);
    return code;
  });
}
