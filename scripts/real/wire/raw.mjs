// JSON as text: where a value stands, so that messages are compared as they were written and not as
// a parser would write them anew.

const space = /[ \t\n\r]*/y;
const scalar = /[^\s,\]}]+/y;

/** Returns `[start, end]` of the value that `path` names in a JSON text, or null. */
export function span(text, path, at = 0) {
  const start = skip(text, space, at);
  if (!path.length) return [start, valueEnd(text, start)];
  const [key, ...rest] = path;
  for (const [name, value] of members(text, start)) if (name === key) return span(text, rest, value);
  return null;
}

/** Returns the texts of the elements of the array that `path` names. */
export function elements(text, path) {
  const whole = span(text, path);
  if (!whole || text[whole[0]] !== "[") return [];
  return [...members(text, whole[0])].map(([, start]) => text.slice(start, valueEnd(text, start)));
}

/** Returns the text with the values at these paths replaced by `…`, those that are there. */
export function blank(text, paths) {
  const spans = paths.map((path) => span(text, path)).filter(Boolean);
  spans.sort(([a], [b]) => b - a);
  for (const [start, end] of spans) text = `${text.slice(0, start)}…${text.slice(end)}`;
  return text;
}

/** Returns the text with the string at a path replaced by what `change` makes of it, where it is there. */
export function changed(text, path, change) {
  const found = span(text, path);
  if (!found) return text;
  const value = JSON.parse(text.slice(...found));
  const other = change(value);
  return other === value ? text : text.slice(0, found[0]) + JSON.stringify(other) + text.slice(found[1]);
}

/** Returns an object's text with its members in the order of their names. */
export function sorted(text) {
  const all = [...members(text, skip(text, space, 0))].map(([name, at]) => `${JSON.stringify(name)}:${text.slice(at, valueEnd(text, at))}`);
  return `{${all.sort().join(",")}}`;
}

/** Yields the name (of an array: the index) of each member, and where its value starts. */
function* members(text, start) {
  if (text[start] !== "{" && text[start] !== "[") return;
  const isObject = text[start] === "{";
  let at = skip(text, space, start + 1);
  for (let index = 0; text[at] !== "}" && text[at] !== "]"; index += 1) {
    let name = index;
    if (isObject) {
      const end = stringEnd(text, at);
      name = JSON.parse(text.slice(at, end));
      at = skip(text, space, skip(text, space, end) + 1);
    }
    yield [name, at];
    at = skip(text, space, valueEnd(text, at));
    if (text[at] === ",") at = skip(text, space, at + 1);
  }
}

function valueEnd(text, start) {
  if (text[start] === '"') return stringEnd(text, start);
  if (text[start] !== "{" && text[start] !== "[") return skip(text, scalar, start);
  let depth = 0;
  for (let at = start; ; at += 1) {
    const char = text[at];
    if (char === undefined) throw new Error(`not JSON: ${text.slice(start, start + 80)}`);
    if (char === '"') at = stringEnd(text, at) - 1;
    else if (char === "{" || char === "[") depth += 1;
    else if ((char === "}" || char === "]") && (depth -= 1) === 0) return at + 1;
  }
}

function stringEnd(text, start) {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at + 1;
  }
  throw new Error(`not JSON: ${text.slice(start, start + 80)}`);
}

function skip(text, pattern, at) {
  pattern.lastIndex = at;
  return pattern.exec(text) ? pattern.lastIndex : at;
}
