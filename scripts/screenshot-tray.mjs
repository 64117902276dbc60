// `npm run screenshot:tray`: the icon in a real panel and its open menu, light and dark, for the
// README. `-- BINARY` takes another build.
import { join } from "node:path";
import { click, difference, moveMouse, picture, still } from "./desktop/screen.mjs";
import { App, hiddenStart } from "./desktop/app.mjs";
import { lookOf, startItem, startPanel } from "./desktop/panel.mjs";
import { household, settleHousehold, writeServers } from "./desktop/scene.mjs";
import { inSession } from "./desktop/session.mjs";
import { debugBinary, root } from "./lib/paths.mjs";
import { note, script, Stop } from "./lib/say.mjs";
import { setUp } from "./setup.mjs";

const looks = [
  { file: "tray.png", dark: false, ground: "#8FA3B3" },
  { file: "tray-dark.png", dark: true, ground: "#3A4652" },
];
const margin = 24;

/** Takes one picture of the menu with a submenu open. */
async function take({ file, dark, ground }, binary) {
  await inSession({ screen: "1024x640x24", env: lookOf(dark) }, async (session) => {
    writeServers(session, binary, household(binary));
    await startPanel(session, ground);
    const { child, icon } = await startItem(session, binary, hiddenStart);
    await settleHousehold(new App(session, binary, child));
    const closed = await still(session);
    const menu = await open(session, closed, () => {
      moveMouse(session, icon.x + icon.width / 2, icon.y + icon.height / 2);
      click(session, 3);
    });
    const shown = await openSubmenu(session, closed, menu);
    const box = around(closed, shown);
    picture(session, join(root, "docs/images", file), box);
    note(`docs/images/${file}, ${box.width}x${box.height}`);
  });
}

/** Does something and returns the box of what it opened below the panel. */
async function open(session, before, act) {
  act();
  const box = difference(before, await still(session, before));
  if (!box) throw new Stop("nothing opened");
  return box;
}

/** Hovers down the menu until something opens beside it: which row has a submenu, its items say. */
async function openSubmenu(session, closed, menu) {
  for (let y = menu.y + menu.height / 3; y < menu.y + menu.height; y += 20) {
    moveMouse(session, menu.x + menu.width / 2, Math.round(y));
    const box = difference(closed, await still(session));
    if (box.width > menu.width + 40) return box;
  }
  throw new Stop("no row of the menu opened a submenu");
}

/** The corner with the menu: from the left of what is open to the right edge, panel included. */
function around(screen, { x, y, width, height }) {
  const left = Math.max(0, x - margin);
  return { x: left, y: 0, width: Math.max(x + width, screen.width) - left, height: Math.min(screen.height, y + height + margin) };
}

script(async ([binary = debugBinary("narthex-desktop")]) => {
  await setUp("screenshot:tray");
  for (const look of looks) await take(look, binary);
});
