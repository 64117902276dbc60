// What a person reads of the matrix: failures in full as they come, a table and the reasons at the end.
import { bold, green, note, red } from "../lib/say.mjs";
import { acrossNarthex, withAndWithout } from "./wire/compare.mjs";
import { falsified } from "./wire/proof.mjs";

/** Differences of one pair that are shown; the tapes have the others. */
const shown = 3;

/** Collects what came out of each pair. */
export class Report {
  #cells = new Map();
  #columns = [];
  #reasons = new Map();
  passed = 0;
  failed = 0;
  messages = { across: 0, without: 0 };
  /** A session with everything in it and no difference, on which the comparison is tried. */
  #whole = null;

  /** Takes a pair; prints what failed. */
  add({ client, bridged, server, direct, through }) {
    const problems = [];
    if (through.error) problems.push(`the session broke: ${through.error}`);
    if (direct?.error) problems.push(`the session without Narthex broke: ${direct.error}`);
    through.rows.forEach((row, at) => this.#judge(row, direct?.rows[at], problems, client));
    const across = acrossNarthex(through, !direct);
    const without = direct && withAndWithout(direct, through, server, bridged);
    this.#count(problems, "on the two sides of Narthex", across);
    if (without) this.#count(problems, "with and without Narthex", without);
    this.messages.across += across.equal;
    this.messages.without += without?.equal ?? 0;

    const able = through.rows.filter(({ state }) => state !== "none");
    const done = able.filter(({ state }) => state === "passed");
    this.passed += done.length + 1 + (without ? 1 : 0) - problems.filter((problem) => !problem.startsWith("step ")).length;
    this.failed += problems.length;
    this.#cell(server.name, client, { text: `${done.length}/${able.length}`, broken: problems.length > 0 });
    if (direct && !problems.length && across.equal > (this.#whole?.equal ?? 0)) this.#whole = { through, equal: across.equal };
    for (const problem of problems) note(`${red("FAILED")}  ${client}, ${server.name}: ${problem}`);
  }

  #judge({ step, state, detail }, direct, problems, client) {
    const what = `step ${step.do}${step.tool ?? step.name ?? step.uri ? ` ${step.tool ?? step.name ?? step.uri}` : ""}`;
    if (state === "failed") problems.push(`${what}: ${detail}${direct?.state === "failed" ? " (without Narthex too)" : ""}`);
    else if (direct && direct.state !== state) problems.push(`${what}: ${state}, ${detail}; without Narthex ${direct.state}, ${direct.detail}`);
    if (state !== "none") return;
    const key = detail.replace(/^client/, client);
    this.#reasons.set(key, (this.#reasons.get(key) ?? new Set()).add(step.do));
  }

  #count(problems, where, { differences }) {
    if (!differences.length) return;
    const more = differences.length > shown ? `\n… and ${differences.length - shown} more` : "";
    problems.push(`${differences.length} messages differ ${where}\n${differences.slice(0, shown).join("\n")}${more}`);
  }

  #cell(row, column, cell) {
    if (!this.#columns.includes(column)) this.#columns.push(column);
    if (!this.#cells.has(row)) this.#cells.set(row, new Map());
    this.#cells.get(row).set(column, cell);
  }

  /** Puts the comparison itself to the proof. */
  prove() {
    const { noticed, missed } = this.#whole ? falsified(this.#whole.through) : { noticed: 0, missed: ["no session was free of problems"] };
    for (const what of missed) note(`${red("FAILED")}  a falsified message was not noticed, ${what}`);
    note(`${noticed} of ${noticed + missed.length} falsified messages noticed`);
    this.passed += missed.length ? 0 : 1;
    this.failed += missed.length ? 1 : 0;
  }

  /** Prints the table, in this order of servers and clients. */
  print(servers, clients) {
    const columns = clients.filter((name) => this.#columns.includes(name));
    const rows = [...servers, "all"].filter((name) => this.#cells.has(name));
    const width = Math.max(...rows.map((name) => name.length));
    console.log(`\n${bold("steps done, of those that server and client both can")}`);
    console.log(`  ${"".padEnd(width)}  ${columns.join("  ")}`);
    for (const row of rows) {
      const cells = columns.map((column) => {
        const { text, broken } = this.#cells.get(row).get(column) ?? { text: "–" };
        const padded = text.padStart(column.length);
        return broken ? red(padded) : green(padded);
      });
      console.log(`  ${row.padEnd(width)}  ${cells.join("  ")}`);
    }
    console.log(`\n${bold("what cannot be done")}`);
    for (const [reason, steps] of [...this.#reasons].sort()) console.log(`  ${[...steps].join(", ")}: ${reason}`);
    const { across, without } = this.messages;
    console.log(`\n  ${across} messages equal on the two sides of Narthex, ${without} with and without it`);
  }
}
