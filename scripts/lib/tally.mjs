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
