// Counts what test runners report, for one closing line over all of them.

export class Tally {
  passed = 0;
  failed = 0;
  skipped = 0;

  /** Takes a line of `cargo test`'s output; only its summaries count. */
  readCargo(line) {
    const plain = line.replace(/\x1b\[[0-9;]*m/g, "");
    const found = /^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored/.exec(plain);
    if (found) this.add(...found.slice(1).map(Number));
  }

  /** Takes a line of vitest's output; only its summary of tests counts. */
  readVitest(line) {
    const plain = line.replace(/\x1b\[[0-9;]*m/g, "");
    if (!/^\s*Tests\s/.test(plain)) return;
    const count = (what) => Number(new RegExp(`(\\d+) ${what}`).exec(plain)?.[1] ?? 0);
    this.add(count("passed"), count("failed"), count("skipped"));
  }

  add(passed, failed, skipped = 0) {
    this.passed += passed;
    this.failed += failed;
    this.skipped += skipped;
  }

  get ran() {
    return this.passed + this.failed;
  }

  get line() {
    return `${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`;
  }
}
