// Named, timed steps: all run even if one fails, and a table at the end says how each went.
import { bold, duration, green, heading, note, red, Stop, yellow } from "./say.mjs";

/** Thrown by a step that could not do its work here: neither passed nor failed, and shown so. */
export class Skipped extends Error {}

const words = { passed: green("passed "), failed: red("FAILED "), skipped: yellow("SKIPPED") };

/**
 * Runs `[{ name, about, run }]` one after another. A step fails by throwing or by a non-zero result,
 * and what it returns besides is shown beside its name. Returns the exit code for the script.
 */
export async function runSteps(title, steps) {
  const results = [];
  for (const [index, step] of steps.entries()) {
    heading(`${index + 1}/${steps.length} ${step.name}: ${step.about}`);
    results.push(await runStep(step));
  }
  console.log(`\n${bold(title)}`);
  const width = Math.max(...results.map(({ name }) => name.length));
  for (const { name, state, detail, ms } of results) {
    console.log(`  ${words[state]}  ${name.padEnd(width)}  ${duration(ms).padStart(12)}  ${detail}`.trimEnd());
  }
  return results.some(({ state }) => state === "failed") ? 1 : 0;
}

async function runStep({ name, run }) {
  const begun = Date.now();
  const ended = (state, detail = "") => ({ name, state, detail, ms: Date.now() - begun });
  try {
    const result = await run();
    if (typeof result === "number" && result !== 0) return ended("failed", `exit code ${result}`);
    return ended("passed", typeof result === "string" ? result : "");
  } catch (error) {
    if (error instanceof Skipped) {
      note(`skipped: ${error.message}`);
      return ended("skipped", firstLine(error.message));
    }
    note(error instanceof Stop ? error.message : error.stack);
    return ended("failed", firstLine(error.message));
  }
}

const firstLine = (text) => text.split("\n", 1)[0];
