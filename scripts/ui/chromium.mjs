// Headless Chromium under chromedriver.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDriver } from "../lib/webdriver.mjs";

const flags = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
  // A mouse that can hover, which a headless browser does not claim to have.
  "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
  "--window-size=1440,1000",
];

/** Opens a browser with a profile of its own; what its console says is kept for `complaints`. */
export async function openChromium() {
  const profile = mkdtempSync(join(tmpdir(), "narthex-chromium-"));
  const driver = await startDriver("chromedriver");
  const session = await driver.open({
    browserName: "chrome",
    "goog:chromeOptions": { args: [...flags, `--user-data-dir=${profile}`] },
    "goog:loggingPrefs": { browser: "ALL" },
  });
  return {
    session,
    /** Returns what the console has said since the last call that a person should know of. */
    async complaints() {
      const entries = await session.ask("POST", "/se/log", { type: "browser" });
      return entries.filter(({ level }) => level === "SEVERE" || level === "WARNING").map(({ message }) => message);
    },
    async end() {
      await session.end();
      driver.end();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}
