// Checks of the desktop: each a name that is the claim, and a function that throws where it is wrong.
import { duration, green, note, red, Stop } from "../lib/say.mjs";

/** Runs checks one after another, all of them; prints each and counts it. */
export async function runChecks(tally, checks) {
  for (const [name, check] of Object.entries(checks)) {
    const begun = Date.now();
    const say = (word, detail) => note(`${word}  ${name.padEnd(58)}  ${duration(Date.now() - begun).padStart(8)}  ${detail ?? ""}`.trimEnd());
    try {
      say(green("ok    "), await check());
      tally.add(1, 0);
    } catch (error) {
      say(red("FAILED"), error instanceof Stop ? error.message : shortened(error.stack));
      tally.add(0, 1);
    }
  }
}

/** What WebDriver throws holds the whole page. */
const shortened = (text) => text.split("\n").filter((line) => line.length > 40 || line.startsWith("    at")).slice(0, 6).join("\n");

export function holds(condition, otherwise) {
  if (!condition) throw new Stop(otherwise);
}
