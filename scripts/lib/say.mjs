// What a person reads: steps, notes, times. Everything goes to stdout, in order with the tools'.
const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code, text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);

export const bold = (text) => paint(1, text);
export const green = (text) => paint(32, text);
export const red = (text) => paint(31, text);
export const yellow = (text) => paint(33, text);

export function heading(text) {
  console.log(`\n${bold(`==> ${text}`)}`);
}

export function note(text) {
  console.log(text.replace(/^/gm, "    "));
}

/** Returns `4 s` or `2 min 05 s`. */
export function duration(ms) {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

/** Something a person has to put right; shown without a stack trace. */
export class Stop extends Error {}

/** Runs a script's main function and turns what it returns or throws into the exit code. */
export async function script(main) {
  try {
    process.exitCode = (await main(process.argv.slice(2))) ?? 0;
  } catch (error) {
    console.log(`\n${red("Stopped:")} ${error instanceof Stop ? error.message : error.stack}`);
    process.exitCode = 1;
  }
}
