// `node scripts/screenshot-window.mjs [BINARY]`: the real window with a household of servers, light and
// dark, for the README. The core listens where it would on somebody's machine, so that the pictures
// differ for a reason; the port has to be free.
import { join } from "node:path";
import { App } from "./desktop/app.mjs";
import { Page } from "./desktop/page.mjs";
import { startWindowManager } from "./desktop/panel.mjs";
import { household, settleHousehold, writeServers } from "./desktop/scene.mjs";
import { inSession } from "./desktop/session.mjs";
import { debugBinary, root } from "./lib/paths.mjs";
import { note, script } from "./lib/say.mjs";
import { setUp } from "./setup.mjs";

const listen = "127.0.0.1:7410";
const pictures = { "window.png": "light", "window-dark.png": "dark" };

function take(binary) {
  return inSession({}, async (session) => {
    await startWindowManager(session);
    writeServers(session, binary, household(binary));
    const page = await Page.open(session, binary, ["--listen", listen, "--trust-config"]);
    const app = new App(session, binary);
    await app.ready();
    await settleHousehold(app);
    await page.settled();
    for (const [file, theme] of Object.entries(pictures)) {
      await page.theme(theme);
      await page.rests();
      await page.view.screenshot(join(root, "docs/images", file));
      note(`docs/images/${file}`);
    }
    await page.end();
  });
}

script(async ([binary = debugBinary("narthex-desktop")]) => {
  await setUp("test:desktop");
  await take(binary);
});
