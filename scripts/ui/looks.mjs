// Every page as it looks, light and dark, small and large; and what axe says of each.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { root } from "../lib/paths.mjs";

const sizes = [
  [900, 600],
  [1440, 900],
  // 900×600 at 200 %.
  [450, 300],
];

/** Pages by the name of their picture; `ready` holds once they show what they are about. */
export const pages = [
  { name: "servers", hash: "#/servers", ready: () => document.querySelector("[data-server]") },
  { name: "server", hash: "#/servers/demo", ready: () => document.querySelector(".overview") },
  { name: "failed", hash: "#/servers/nowhere", ready: () => document.querySelector(".overview") },
  { name: "not-valid", hash: "#/servers/mistaken", ready: () => document.querySelector(".overview") },
  { name: "tools", hash: "#/servers/demo/tools", ready: () => document.querySelector("[data-tool]") },
  { name: "logs", hash: "#/servers/talker/logs", ready: () => document.querySelector(".lines") },
  { name: "review-launch", hash: "#/servers/newcomer/review", ready: () => document.querySelector("[data-launch]") },
  { name: "review-offers", hash: "#/servers/seen/review", ready: () => document.querySelector("[data-tool]") },
  { name: "add", hash: "#/add", ready: () => document.querySelector("form") },
  { name: "clients", hash: "#/clients", ready: () => document.querySelector("pre") },
  { name: "settings", hash: "#/settings", ready: () => document.querySelector("dl") },
  { name: "gallery", hash: "#/gallery", ready: () => document.querySelector(".shapes") },
];

/** Takes the pictures of one page, and throws with what axe finds serious or critical. */
export async function look(page, { name, hash, ready }, folder) {
  const findings = [];
  await page.run(() => document.activeElement?.blur());
  await page.run((hash) => void (location.hash = hash), hash);
  await page.until(`the page ${hash}`, ready);
  for (const theme of ["light", "dark"]) {
    await page.run((theme) => void (document.documentElement.dataset.theme = theme), theme);
    for (const [width, height] of sizes) {
      await page.size(width, height);
      await page.until(`the page ${hash}`, ready);
      await page.screenshot(join(folder, `${name}-${theme}-${width}.png`));
      findings.push(...(await overflow(page)).map((what) => `${theme} ${width}: ${what} scrolls sideways`));
    }
    findings.push(...(await axe(page)).map((finding) => `${theme}: ${finding}`));
  }
  if (findings.length) throw new Error([...new Set(findings)].join("\n"));
}

/** Returns what scrolls sideways; only code may. */
function overflow(page) {
  return page.run(() => {
    const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX) || element === document.documentElement;
    const wide = [...document.querySelectorAll("*")].filter((element) => element.scrollWidth > element.clientWidth + 1 && scrolls(element) && element.tagName !== "PRE");
    return wide.map((element) => `${element.tagName.toLowerCase()}.${element.className}`);
  });
}

const source = () => readFileSync(createRequire(join(root, "ui", "package.json")).resolve("axe-core/axe.min.js"), "utf8");

async function axe(page) {
  // Given as a script of the driver's, which the page's policy does not stop and need not allow.
  if (!(await page.run(() => "axe" in window))) await page.ask("POST", "/execute/sync", { script: source(), args: [] });
  return page.run(async () => {
    // A fade that is under way has colours of neither side.
    await Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => null)));
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.slice(0, 4).map(({ target, failureSummary }) => `${id} at ${target}: ${failureSummary.replace(/\s+/g, " ").slice(0, 160)}`));
  });
}
