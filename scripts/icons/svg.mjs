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

/** An icon of the tray in the panel's own ink: GTK fills the paths, Plasma sets ColorScheme-Text. */
export function symbolicIcon(state) {
  const { ink, mark } = trayStates[state];
  const grid = gridOf(16);
  const d = ink(grid) + (mark ? mark(grid) : "");
  const style = '<style id="current-color-scheme" type="text/css">.ColorScheme-Text{color:#2e3436}</style>';
  return [open(16), style, `<path class="ColorScheme-Text" fill="currentColor" d="${d}"/>`, "</svg>", ""].join("\n");
}

/** The shape of a condition, in the ink of the text beside it. */
export function conditionIcon(condition) {
  const d = conditions[condition].map((shape) => shape(gridOf(16))).join("");
  return [open(16, ' fill="currentColor"'), `<path d="${d}"/>`, "</svg>", ""].join("\n");
}
