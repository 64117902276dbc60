// The window's page, by the hooks that stand in it for tests: its rows, buttons and menus.
import { startDriver } from "../lib/webdriver.mjs";

export class Page {
  constructor(driver, view) {
    Object.assign(this, { driver, view });
  }

  /** Starts the desktop by WebKitWebDriver, which attaches to the window that it opens with. */
  static async open(session, binary, args) {
    const automation = { TAURI_WEBVIEW_AUTOMATION: "true", TAURI_AUTOMATION: "true" };
    const driver = await startDriver("WebKitWebDriver", { env: { ...session.env, ...automation } });
    const view = await driver.open({ browserName: "wry", "webkitgtk:browserOptions": { binary, args } });
    return new Page(driver, view);
  }

  async end() {
    await this.view.end();
    this.driver.end();
  }

  rowOf = (name, condition) => `[data-server="${name}"]${condition ? `[data-condition="${condition}"]` : ""}`;

  /** Goes to a page by its address, and leaves the one before, whatever was open there. */
  async go(route) {
    await this.view.run((to) => void (location.hash = to), route);
    await this.view.until(route, (to) => location.hash === to && document.querySelector("main") !== null, route);
  }

  /** Waits until the page has stopped changing: what it asked for is there, what fades has faded. */
  async rests() {
    await this.view.run(rest, 300, 5_000);
  }

  /** Returns what lies beyond the window's edge without a way to get there; code scrolls in its own box. */
  beyond() {
    return this.view.run(() => {
      const reaches = (element) => element.getBoundingClientRect().right > innerWidth + 1 && !element.parentElement.closest("pre");
      return [...document.querySelectorAll("body *")].filter(reaches).map((element) => `${element.tagName.toLowerCase()}.${element.className}`);
    });
  }

  async shows(name, condition) {
    await this.view.find(this.rowOf(name, condition));
  }

  async misses(name) {
    await this.view.until(`${name} to be gone`, (selector) => document.querySelector(selector) === null, this.rowOf(name));
  }

  async press(name, deed) {
    await this.view.click(`${this.rowOf(name)} [data-deed="${deed}"]`);
  }

  /** Chooses from the menu behind a row's dots. */
  async choose(name, label) {
    await this.view.click(`${this.rowOf(name)} [aria-haspopup="menu"]`);
    await this.pressText("[role=menu]", label);
  }

  /** Presses the button of this text; a selector cannot ask for a text, so it gets a mark. */
  async pressText(within, label) {
    await this.view.until(`the button ${label}`, mark, within, label);
    await this.view.click("[data-chosen-by-test]");
    await this.view.run(() => document.querySelector("[data-chosen-by-test]")?.removeAttribute("data-chosen-by-test"));
  }

  /**
   * Clicks and returns how many milliseconds passed in the page from the click to the row's first
   * change, and to its condition. Observed there, so nothing of what WebDriver takes is in it.
   */
  async timed(name, condition, click) {
    await this.view.run(watch, this.rowOf(name), condition);
    await click();
    return this.view.run(() => window.timesOfTest);
  }

  /** Answers what is asked at the first run, so that the page is as on every other day. */
  async settled() {
    await this.view.run(() => window.__TAURI_INTERNALS__.invoke("dismiss_first_run"));
    await this.view.reload();
    await this.view.find("[data-server]");
  }

  /** Chooses the theme the way the settings do. */
  async theme(theme) {
    await this.view.run((chosen) => window.__TAURI_INTERNALS__.invoke("change_preferences", { patch: { theme: chosen } }), theme);
  }
}

/** In the page. */
function mark(within, label) {
  const button = [...document.querySelectorAll(`${within} button:enabled`)].find((each) => each.textContent.trim() === label);
  button?.setAttribute("data-chosen-by-test", "");
  return button !== undefined;
}

/** In the page. A page in which something always moves is let go in the end. */
function rest(quiet, most) {
  return new Promise((resolve) => {
    const end = () => {
      observer.disconnect();
      [quietly, late].forEach(clearTimeout);
      resolve();
    };
    const observer = new MutationObserver(() => {
      clearTimeout(quietly);
      quietly = setTimeout(end, quiet);
    });
    let quietly = setTimeout(end, quiet);
    const late = setTimeout(end, most);
    observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  });
}

/** In the page. Returns nothing: what is returned would be waited for. */
function watch(selector, condition) {
  const row = document.querySelector(selector);
  window.timesOfTest = new Promise((resolve, reject) => {
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
    setTimeout(() => reject(new Error(`${selector} did not become ${condition} within 10 s`)), 10_000);
  });
}
