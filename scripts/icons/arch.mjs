// The arch, and every mark that stands in it, as filled outlines on the pixels of one size.
//
// Filled, because GTK recolours a symbolic icon by overriding `fill` and would fill what is only
// stroked; without masks and clips, because QtSvg knows neither. At 16 px the arch is the stroke of
// width 2 along `M3 15V7.5A5 5.5 0 0 1 13 7.5V15`; other sizes move its edges to whole pixels.

const rounded = (value) => Number(value.toFixed(3));
const path = (parts, ...values) => String.raw({ raw: parts }, ...values.map((value) => (typeof value === "number" ? rounded(value) : value)));

/** Returns the edges of the arch for a size: all that the shapes are made of. */
export function gridOf(size) {
  const unit = size / 16;
  const stroke = Math.round(2 * unit);
  const left = Math.round(2 * unit);
  const foot = Math.round(unit);
  const top = Math.round(unit);
  return {
    size,
    unit,
    stroke,
    foot,
    floor: size,
    plinth: size - stroke,
    middle: size / 2,
    spring: 7.5 * unit,
    outer: { left, right: size - left, rx: size / 2 - left, ry: 7.5 * unit - top },
    inner: { left: left + stroke, right: size - left - stroke, rx: size / 2 - left - stroke, ry: 7.5 * unit - top - stroke },
    half: Math.round(9 * unit),
  };
}

/** The open, empty arch on its two feet. */
export function openArch({ size, foot, floor, plinth, spring, outer, inner }) {
  return (
    path`M${foot} ${plinth}H${outer.left}V${spring}A${outer.rx} ${outer.ry} 0 0 1 ${outer.right} ${spring}V${plinth}H${size - foot}V${floor}` +
    path`H${inner.right}V${spring}A${inner.rx} ${inner.ry} 0 0 0 ${inner.left} ${spring}V${floor}H${foot}Z`
  );
}

/** The arch with the door shut. */
export function solidArch({ size, foot, floor, plinth, spring, outer }) {
  return path`M${foot} ${plinth}H${outer.left}V${spring}A${outer.rx} ${outer.ry} 0 0 1 ${outer.right} ${spring}V${plinth}H${size - foot}V${floor}H${foot}Z`;
}

/** The arch without the stones along a slash from its left foot to its right shoulder. */
export function struckArch(grid) {
  const { size, foot, floor, plinth, spring, outer, inner, middle } = grid;
  const { before, after } = slashBand(grid);
  const on = (ring, sum) => crossing(ring, sum, middle, spring);
  const [ox, oy] = on(outer, before);
  const [ix, iy] = on(inner, before);
  const [px, py] = on(outer, after);
  const [qx, qy] = on(inner, after);
  return (
    path`M${outer.left} ${before - outer.left}V${spring}A${outer.rx} ${outer.ry} 0 0 1 ${ox} ${oy}L${ix} ${iy}` +
    path`A${inner.rx} ${inner.ry} 0 0 0 ${inner.left} ${spring}V${before - inner.left}Z` +
    path`M${px} ${py}A${outer.rx} ${outer.ry} 0 0 1 ${outer.right} ${spring}V${plinth}H${size - foot}V${floor}H${inner.right}V${spring}` +
    path`A${inner.rx} ${inner.ry} 0 0 0 ${qx} ${qy}Z`
  );
}

/** The slash that goes with `struckArch`. */
export function slash({ size, unit, stroke }) {
  // On the diagonal a line looks thinner than the upright ones beside it.
  const reach = (1.15 * stroke) / 2 / Math.SQRT2;
  const [from, to] = [1.5 * unit, size - 1.5 * unit];
  return (
    path`M${from - reach} ${to - reach}L${to - reach} ${from - reach}L${to + reach} ${from + reach}` +
    path`L${from + reach} ${to + reach}Z`
  );
}

/** The arch without its keystone. */
export function partedArch(grid) {
  const { size, foot, floor, plinth, spring, outer, inner, middle, unit } = grid;
  const gap = 2 * unit;
  const rise = (ring) => spring - ring.ry * Math.sqrt(1 - (gap / ring.rx) ** 2);
  const [high, low] = [rise(outer), rise(inner)];
  return (
    path`M${foot} ${plinth}H${outer.left}V${spring}A${outer.rx} ${outer.ry} 0 0 1 ${middle - gap} ${high}V${low}` +
    path`A${inner.rx} ${inner.ry} 0 0 0 ${inner.left} ${spring}V${floor}H${foot}Z` +
    path`M${size - foot} ${plinth}H${outer.right}V${spring}A${outer.rx} ${outer.ry} 0 0 0 ${middle + gap} ${high}V${low}` +
    path`A${inner.rx} ${inner.ry} 0 0 1 ${inner.right} ${spring}V${floor}H${size - foot}Z`
  );
}

/** Only the line around a shut door. */
export function drawnArch({ size, foot, floor, plinth, spring, outer, unit }) {
  const line = Math.max(1, Math.round(unit));
  const [rx, ry] = [outer.rx - line, outer.ry - line];
  return (
    solidArch({ size, foot, floor, plinth, spring, outer }) +
    path`M${outer.left + line} ${floor - line}H${outer.right - line}V${spring}A${rx} ${ry} 0 0 0 ${outer.left + line} ${spring}Z`
  );
}

/** The lower half of the doorway. */
export const lowerHalf = ({ inner, half, floor }) => path`M${inner.left} ${half}H${inner.right}V${floor}H${inner.left}Z`;

/** The upper half of the doorway. */
export const upperHalf = ({ inner, half, spring }) =>
  path`M${inner.left} ${half}V${spring}A${inner.rx} ${inner.ry} 0 0 1 ${inner.right} ${spring}V${half}Z`;

/** Two steps in the lower half of the doorway. */
export function steps({ inner, unit }) {
  const step = (from, to) => path`M${inner.left} ${Math.round(from * unit)}H${inner.right}V${Math.round(to * unit)}H${inner.left}Z`;
  return step(8, 10) + step(12, 14);
}

/** Somebody in the doorway. */
export const person = ({ middle, unit }) => disc(middle, 10 * unit, roundedHalf(3 * unit));

/** A keyhole. */
export function keyhole({ middle, unit, floor }) {
  const [y, radius, width, top, end] = [7.75 * unit, 2.25 * unit, 2 * unit, 9 * unit, floor - 2 * unit];
  return disc(middle, y, radius) + path`M${middle - unit} ${top}H${middle + unit}L${middle + width} ${end}H${middle - width}Z`;
}

/** Somebody lying down in the doorway. */
export function sleeper({ inner, unit }) {
  const gap = Math.round(unit);
  const [top, end] = [Math.round(12 * unit), Math.round(14 * unit)];
  return path`M${inner.left + gap} ${top}H${inner.right - gap}V${end}H${inner.left + gap}Z`;
}

/** An exclamation mark. */
export function exclamation({ middle, unit, floor }) {
  const width = unit;
  const bar = path`M${middle - width} ${5 * unit}H${middle + width}V${10.5 * unit}H${middle - width}Z`;
  return bar + path`M${middle - width} ${12 * unit}H${middle + width}V${floor - 2 * unit}H${middle - width}Z`;
}

function disc(x, y, radius) {
  return path`M${x - radius} ${y}A${radius} ${radius} 0 1 1 ${x + radius} ${y}A${radius} ${radius} 0 1 1 ${x - radius} ${y}Z`;
}

const roundedHalf = (value) => Math.round(value * 2) / 2;

/** The slash and the gap on both sides of it, as two sums of x and y. */
function slashBand({ size, unit, stroke }) {
  const reach = ((1.15 * stroke) / 2 + 0.9 * unit) * Math.SQRT2;
  return { before: size - reach, after: size + reach };
}

/** Where the right half of a ring has this sum of x and y. */
function crossing({ rx, ry }, sum, middle, spring) {
  const angle = Math.acos((sum - middle - spring) / Math.hypot(rx, ry)) - Math.atan2(ry, rx);
  return [middle + rx * Math.cos(angle), spring - ry * Math.sin(angle)];
}
