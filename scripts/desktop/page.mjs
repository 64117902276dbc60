// The window's page: its rows and buttons by the hooks that stand in it for tests.

export class Page {
  constructor(driver) {
    this.driver = driver;
  }

  rowOf = (name, condition) => `[data-server="${name}"]${condition ? `[data-condition="${condition}"]` : ""}`;

  /** Goes to a page by its address. */
  async go(route) {
    await this.driver.run((to) => void (location.hash = to), route);
    await this.driver.wait(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  }

  async shows(name, condition) {
    await this.driver.appears(this.rowOf(name, condition));
  }

  async press(name, deed) {
    await this.driver.click(`${this.rowOf(name)} [data-deed="${deed}"]`);
  }

  /** Chooses from the menu behind a row's dots. */
  async choose(name, label) {
    await this.driver.click(`${this.rowOf(name)} [aria-haspopup="menu"]`);
    await this.driver.appears("[role=menuitem]");
    const position = await this.driver.run((text) => [...document.querySelectorAll("[role=menuitem]")].findIndex((item) => item.textContent.trim() === text), label);
    // Rules stand between the items, so they are counted by a mark of our own.
    await this.driver.run((at) => document.querySelectorAll("[role=menuitem]")[at].setAttribute("data-test-chosen", ""), position);
    await this.driver.click("[data-test-chosen]");
  }

  /**
   * Clicks and returns how many milliseconds passed in the page from the click to the row's first
   * change, and to its condition. Observed, not polled, so what WebDriver takes is not in it.
   */
  async timed(name, condition, click) {
    await this.driver.run(watch, this.rowOf(name), condition);
    await click();
    return this.driver.wait(() => window.testTimes);
  }

  /** Chooses the theme the way the settings do. */
  async theme(theme) {
    await this.driver.wait((chosen) => window.__TAURI_INTERNALS__.invoke("change_preferences", { patch: { theme: chosen } }), theme);
  }
}

/** In the page. */
function watch(selector, condition) {
  const row = document.querySelector(selector);
  window.testTimes = new Promise((resolve, reject) => {
    let clicked = null;
    let first = null;
    addEventListener("click", () => (clicked = performance.now()), { capture: true, once: true });
    const observer = new MutationObserver(() => {
      if (clicked === null) return;
      first ??= performance.now() - clicked;
      if (row.dataset.condition !== condition) return;
      observer.disconnect();
      resolve({ first, condition: performance.now() - clicked });
    });
    observer.observe(row, { subtree: true, childList: true, attributes: true, characterData: true });
    setTimeout(() => reject(`not ${condition} within 10 s`), 10_000);
  });
}
