// The SVG text of every icon that is drawn from the arch.
import { gridOf } from "./arch.mjs";
import { conditions, inks, trayStates } from "./states.mjs";

const open = (size, more = "") => `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 ${size} ${size}"${more}>`;
const filled = (colour, d) => `<path fill="${colour}" d="${d}"/>`;

/** An icon of the tray for one kind of panel. */
export function trayIcon(state, panel, size = 16) {
  const { ink, mark, colour } = trayStates[state];
  const grid = gridOf(size);
  const colours = inks[panel];
  const lines = [filled(colours.ink, ink(grid)), ...(mark ? [filled(colours[colour], mark(grid))] : [])];
  return [open(size), ...lines, "</svg>", ""].join("\n");
}

/**
 * By these classes GTK and Plasma know what is to be in their colours of warnings and of errors; all
 * else gets the panel's ink. The colours here are for who knows no classes.
 */
const symbolic = {
  ink: { gtk: "", plasma: "ColorScheme-Text", colour: "#2e3436" },
  waiting: { gtk: "warning", plasma: "ColorScheme-NeutralText", colour: "#94600a" },
  failed: { gtk: "error", plasma: "ColorScheme-NegativeText", colour: "#b3362b" },
};

/** An icon of the tray that takes its colours from the panel. */
export function symbolicIcon(state) {
  const { ink, mark, colour } = trayStates[state];
  const grid = gridOf(16);
  // What has the same ink is one path, so that no seam shows where a panel scales it.
  const parts = symbolic[colour] ? [[symbolic.ink, ink(grid)], [symbolic[colour], mark(grid)]] : [[symbolic.ink, ink(grid) + (mark?.(grid) ?? "")]];
  const rules = new Set(parts.map(([{ plasma, colour }]) => `.${plasma}{color:${colour}}`));
  const paths = parts.map(([{ gtk, plasma }, d]) => `<path class="${`${gtk} ${plasma}`.trim()}" fill="currentColor" d="${d}"/>`);
  const style = `<style id="current-color-scheme" type="text/css">${[...rules].join("")}</style>`;
  return [open(16), style, ...paths, "</svg>", ""].join("\n");
}

/** The shape of a condition, in the ink of the text beside it. */
export function conditionIcon(condition) {
  const d = conditions[condition].map((shape) => shape(gridOf(16))).join("");
  return [open(16, ' fill="currentColor"'), `<path d="${d}"/>`, "</svg>", ""].join("\n");
}
