// The credential of a browser comes in the address's fragment, which no server sees, and leaves it at
// once, so that no history, bookmark or shared screen keeps it.

export function takeToken(location: Location, history: History): string | null {
  const found = /^#token=([^&]+)(?:&(.*))?$/.exec(location.hash);
  if (!found?.[1]) return null;
  const route = found[2] ? `#${found[2].replace(/^#/, "")}` : "#/servers";
  history.replaceState(null, "", location.pathname + location.search + route);
  return decodeURIComponent(found[1]);
}
