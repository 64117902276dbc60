// Turns SVG into pixels with resvg, pinned and installed once into the target folder.
//
// resvg brings its own rasteriser, so the same text gives the same bytes on every machine; librsvg
// is another version on every system, and the icons in the tree would change with it.
import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { npm } from "../lib/npm.mjs";
import { targetDir } from "../lib/paths.mjs";
import { must } from "../lib/run.mjs";
import { note } from "../lib/say.mjs";

const pinned = "@resvg/resvg-js@2.6.2";

/** Returns a function from SVG text and a width to `{ width, png, rgba }`. */
export async function rasteriser() {
  const folder = join(targetDir(), "tools", pinned.replaceAll("/", "-"));
  if (!existsSync(join(folder, "node_modules"))) {
    note(`installing ${pinned} into ${folder}: once, 5 seconds, 8 MB`);
    mkdirSync(folder, { recursive: true });
    const how = ["install", "--prefix", folder, "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
    await must(process.execPath, [npm(), ...how, pinned], { cwd: folder });
  }
  const { Resvg } = createRequire(join(folder, "package.json"))("@resvg/resvg-js");
  return (svg, width) => {
    const image = new Resvg(svg, { fitTo: { mode: "width", value: width }, font: { loadSystemFonts: false } }).render();
    return { width, png: image.asPng(), rgba: straight(image.pixels) };
  };
}

/** Pixels whose colours are not multiplied with their alpha, as every file format wants them. */
function straight(pixels) {
  const rgba = Buffer.from(pixels);
  for (let at = 0; at < rgba.length; at += 4) {
    const alpha = rgba[at + 3];
    if (alpha === 0 || alpha === 255) continue;
    for (const channel of [at, at + 1, at + 2]) rgba[channel] = Math.min(255, Math.round((rgba[channel] * 255) / alpha));
  }
  return rgba;
}
