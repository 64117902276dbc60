// `npm run icons`: writes every icon that is made from the arch, and the rendered ones.
// `-- --check` writes nothing and fails where the tree holds something else.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { icns, ico } from "./icons/containers.mjs";
import { rasteriser } from "./icons/raster.mjs";
import { conditions, inks, trayStates } from "./icons/states.mjs";
import { conditionIcon, symbolicIcon, trayIcon } from "./icons/svg.mjs";
import { root } from "./lib/paths.mjs";
import { note, script, Stop } from "./lib/say.mjs";
import { setUp } from "./setup.mjs";

const sizes = { panel: [16, 22, 24, 32, 48], app: [32, 64, 128, 256, 512] };

/** Points and pixels: macOS takes 16 or 18 points of the menu bar. */
const templateSizes = [["16", 16], ["16@2x", 32], ["18", 18], ["18@2x", 36]];

/** Yields every generated file below icons/ as its path and its content. */
function* files(render) {
  for (const condition of Object.keys(conditions)) yield [`conditions/${condition}.svg`, conditionIcon(condition)];
  for (const state of Object.keys(trayStates)) {
    yield [`tray/${state}-symbolic.svg`, symbolicIcon(state)];
    for (const panel of Object.keys(inks)) {
      yield [`tray/${state}-${panel}.svg`, trayIcon(state, panel)];
      const named = panel === "template" ? templateSizes : sizes.panel.map((size) => [size, size]);
      // Each size is drawn anew, its edges on its own pixels.
      for (const [name, size] of named) yield [`tray/png/${state}-${panel}-${name}.png`, render(trayIcon(state, panel, size), size).png];
    }
  }
  yield* appFiles((size) => render(readFileSync(join(root, "icons/app/narthex.svg"), "utf8"), size));
}

function* appFiles(imageOf) {
  for (const size of sizes.app) yield [`app/${size}x${size}.png`, imageOf(size).png];
  yield ["app/128x128@2x.png", imageOf(256).png];
  yield ["app/icon.ico", ico([32, 16, 24, 48, 64, 256].map(imageOf))];
  yield ["app/icon.icns", icns(imageOf)];
}

function isAsWritten(file, content) {
  return existsSync(file) && readFileSync(file).equals(Buffer.from(content));
}

script(async ([option]) => {
  await setUp("icons");
  const wrong = [];
  for (const [path, content] of files(await rasteriser())) {
    const file = join(root, "icons", path);
    if (isAsWritten(file, content)) continue;
    wrong.push(`icons/${path}`);
    if (option === "--check") continue;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  if (option === "--check" && wrong.length) throw new Stop(`not as drawn: ${wrong.join(", ")}\nWrite them anew: npm run icons`);
  note(wrong.length ? `wrote ${wrong.length} files below icons/` : "every icon is as drawn");
});
