// What has to hold at once, or with many: from a click to the page, live logs, 300 servers, and a core
// that ends and comes back.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startCore } from "./core.mjs";
import { rowIs } from "./flows.mjs";

/** From the click to what the core made of it, as the page's own tree changes. */
const clickBoundMs = 50;

export async function clickToDom({ page }) {
  const times = await page.run(async () => {
    const row = document.querySelector('[data-server="demo"]');
    const change = (ready) =>
      new Promise((resolve) => {
        const observer = new MutationObserver(() => {
          if (!ready()) return;
          observer.disconnect();
          resolve(performance.now());
        });
        observer.observe(document, { subtree: true, childList: true, attributes: true });
      });
    const pressed = [];
    const shown = [];
    for (let round = 0; round < 20; round += 1) {
      const deed = row.querySelector("[data-deed]");
      const was = row.dataset.condition;
      const pending = change(() => row.querySelector("[aria-busy]"));
      const moved = change(() => row.dataset.condition !== was);
      const idle = change(() => ["connected", "disconnected"].includes(row.dataset.condition) && row.dataset.condition !== was && !row.querySelector("[aria-busy]"));
      const begun = performance.now();
      deed.click();
      pressed.push((await pending) - begun);
      shown.push((await moved) - begun);
      await idle;
    }
    return { pressed, shown };
  });
  const worst = (all) => Math.max(...all);
  const middle = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];
  if (middle(times.shown) > clickBoundMs) throw new Error(`median ${middle(times.shown).toFixed(1)} ms, more than ${clickBoundMs} ms`);
  const figure = (all) => `${middle(all).toFixed(1)} ms (worst ${worst(all).toFixed(1)})`;
  return `20 clicks: pending after ${figure(times.pressed)}, what the core says after ${figure(times.shown)}`;
}

export async function logsFollow({ page, core }) {
  const probe = await fetch(`http://${core.listening}/api/v1/servers/talker/logs/stream?lines=1`, { headers: core.headers });
  await probe.body?.cancel();
  if (probe.status === 404) return "not in this core: skipped";
  await page.run(() => void (location.hash = "#/servers/talker/logs"));
  const before = await page.until("lines", () => document.querySelectorAll(".line").length);
  await page.until("boxed characters", () => [...document.querySelectorAll(".line")].some((line) => line.textContent.includes("U+200B")));
  await core.ask("POST", "/servers/talker/restart");
  await page.until("more lines", (before) => document.querySelectorAll(".line").length > before, before);
}

export async function followsMany({ page, core, home }, shots) {
  const file = join(home, "narthex.json");
  const entries = Array.from({ length: 300 }, (_, at) => `"server-${String(at).padStart(3, "0")}": { "command": "server", "args": ["${at}"] },`);
  await page.run(() => void (location.hash = "#/servers"));
  await page.run(() => {
    window.longest = 0;
    new PerformanceObserver((list) => {
      window.longest = Math.max(window.longest, ...list.getEntries().map(({ duration }) => duration));
    }).observe({ type: "longtask" });
  });
  writeFileSync(file, readFileSync(file, "utf8").replace(/("mcpServers"\s*:\s*\{)/, `$1\n${entries.join("\n")}`));
  await page.until("300 rows", () => document.querySelectorAll("[data-server]").length >= 300);
  const longest = await page.run(() => window.longest);
  const begun = page.until("demo to rest", () => document.querySelector('[data-server="demo"]')?.dataset.condition === "disconnected");
  await core.ask("POST", "/servers/demo/disconnect");
  await begun;
  const frames = await page.run(async () => {
    const list = document.querySelector(".rows");
    const times = [];
    let last = performance.now();
    for (let at = 0; at < 60; at += 1) {
      list.scrollTop += 200;
      await new Promise(requestAnimationFrame);
      times.push(performance.now() - last);
      last = performance.now();
    }
    const field = document.querySelector("input[type=search]");
    const typed = performance.now();
    field.value = "server-2";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise(requestAnimationFrame);
    const search = performance.now() - typed;
    field.value = "";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    return { scroll: Math.max(...times), search };
  });
  await page.size(3840, 2160);
  for (const theme of ["light", "dark"]) {
    await page.run((theme) => void (document.documentElement.dataset.theme = theme), theme);
    await page.screenshot(join(shots, `many-${theme}-3840.png`));
  }
  await page.size(900, 600);
  await page.screenshot(join(shots, "many-dark-900.png"));
  await core.ask("POST", "/servers/demo/connect");
  return `longest task while they came ${longest.toFixed(0)} ms, slowest frame of 60 while scrolling ${frames.scroll.toFixed(0)} ms, a search ${frames.search.toFixed(0)} ms`;
}

/** The core is killed; the page says so, keeps what it had, and finds the next core by itself. */
export async function outlives(at) {
  const { page, core, home, binary } = at;
  await page.run(() => void (location.hash = "#/servers"));
  await core.end("SIGKILL");
  await page.until("word of it", () => document.body.innerText.includes("The core does not answer"));
  if (!(await page.run(() => document.querySelectorAll("[data-server]").length))) throw new Error("the rows are gone");
  for (const theme of ["light", "dark"]) {
    await page.run((theme) => void (document.documentElement.dataset.theme = theme), theme);
    await page.screenshot(join(at.shots, `lost-${theme}-900.png`));
  }
  at.core = await startCore(binary, home, core.listening);
  await page.until("the next core", () => !document.body.innerText.includes("The core does not answer"));
  await at.core.ask("POST", "/servers/demo/disconnect");
  await rowIs(page, "demo", "disconnected");
}
