// `npm run test:ui`: the web UI in headless Chromium, before a real core.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { mustCargo } from "./lib/cargo.mjs";
import { debugBinary, targetDir } from "./lib/paths.mjs";
import { duration, green, note, red, script } from "./lib/say.mjs";
import { Tally } from "./lib/tally.mjs";
import { buildUi } from "./lib/ui.mjs";
import { setUp } from "./setup.mjs";
import { openChromium } from "./ui/chromium.mjs";
import { startCore } from "./ui/core.mjs";
import { flows } from "./ui/flows.mjs";
import { clickToDom, followsMany, logsFollow, outlives } from "./ui/figures.mjs";
import { look, pages } from "./ui/looks.mjs";
import { setScene } from "./ui/scene.mjs";
import { siteOf } from "./ui/site.mjs";

/** Runs it all against a binary, prints a table, counts into the tally; returns an exit code. */
export async function testUi(tally, binary = debugBinary("narthex")) {
  const home = mkdtempSync(join(tmpdir(), "narthex-ui-"));
  const shots = join(targetDir(), "screenshots");
  const core = await startCore(binary, home);
  const site = await siteOf(core);
  const browser = await openChromium();
  const at = { page: browser.session, core, at: site.at, complaints: browser.complaints, home, binary, shots };
  const row = async (what, question) => {
    const begun = Date.now();
    let detail = "";
    let failed = false;
    try {
      detail = (await question()) ?? "";
    } catch (error) {
      [failed, detail] = [true, error.message];
    }
    note(`${failed ? red("FAILED") : green("ok    ")}  ${duration(Date.now() - begun).padStart(7)}  ${what}  ${detail}`);
    tally.add(failed ? 0 : 1, failed ? 1 : 0);
  };
  const before = tally.failed;
  try {
    note(`served by ${site.by}; pictures in ${shots}`);
    await core.until("demo", "connected");
    for (const [what, question] of flows(at)) await row(what, question);
    await row("click to DOM", () => clickToDom(at));
    await row("scene", () => breakOne(core, home).then(() => setScene(core)));
    for (const page of pages) await row(`looks: ${page.name}`, () => look(browser.session, page, shots));
    await row("logs follow", () => logsFollow(at));
    await row("300 servers", () => followsMany(at, shots));
    await row("the core ends and comes back", () => outlives(at));
    await row("the console has nothing to say", async () => {
      const complaints = (await browser.complaints()).filter((message) => !/ 502 |ERR_CONNECTION|ERR_INCOMPLETE|net::ERR|(settings|logs\/stream\S*) - .* 404/.test(message));
      if (complaints.length) throw new Error(complaints.join("\n"));
    });
  } finally {
    await browser.end();
    site.end();
    await at.core.end();
    rmSync(home, { recursive: true, force: true });
  }
  return tally.failed > before ? 1 : 0;
}

/** Puts an entry into the file that cannot be used, as a slip of the hand would. */
async function breakOne(core, home) {
  const file = join(home, "narthex.json");
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace(/("mcpServers"\s*:\s*\{)/, '$1\n    "mistaken": { "command": "npx", "args": "-y some-server" },'));
  await core.until("mistaken", "not_valid");
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  script(async ([binary]) => {
    await setUp("test:ui");
    if (!binary) {
      await buildUi();
      await mustCargo("build", "--locked", "--package", "narthex-core", "--bins");
    }
    const tally = new Tally();
    const code = await testUi(tally, binary);
    console.log(`\n${tally.line}`);
    return code;
  });
}
