// What a person does in the page, step by step, each seen in the page and told by the core.
import { keys } from "../lib/webdriver.mjs";

const row = (name) => `[data-server="${name}"]`;

/** Waits until the row of a server shows a condition. */
export const rowIs = (page, name, condition) =>
  page.until(`${name} to be ${condition}`, (name, condition) => document.querySelector(`[data-server="${name}"]`)?.dataset.condition === condition, name, condition);

const go = (page, hash) => page.run((hash) => void (location.hash = hash), hash);

async function choose(page, name, item) {
  await page.click(`${row(name)} [aria-haspopup=menu]`);
  const at = await page.until(`the item ${item}`, (item) => [...document.querySelectorAll("[role=menuitem]")].findIndex((each) => each.textContent === item) + 1, item);
  await page.run((at) => document.querySelectorAll("[role=menuitem]")[at - 1].click(), at);
}

const said = (page, text) => page.until(`the words “${text}”`, (text) => document.body.innerText.includes(text), text);

/** Each is a claim and what shows it; it fails by throwing. `at` is the page's address. */
export const flows = ({ page, core, at, complaints }) => [
  ["without a token it says what to do", async () => {
    await page.go(at);
    await said(page, "narthex ui");
    await page.type("input[type=password]", `narthex_control_wrong${keys.enter}`);
    await said(page, "does not know that token");
  }],
  ["a token in the address opens it, and leaves the address", async () => {
    await complaints(); // The refused token above is said in the console, as it should be.
    await page.go(`${at}?again#token=${core.control}`);
    await rowIs(page, "demo", "connected");
    const kept = await page.run(() => location.href + JSON.stringify(sessionStorage) + JSON.stringify(localStorage));
    if (kept.includes("narthex_control")) throw new Error("the token is kept outside memory");
    await said(page, "1 of 1 connected");
  }],
  ["rows follow what others do", async () => {
    for (const [wish, condition] of [["disconnect", "disconnected"], ["connect", "connected"], ["quarantine", "in_quarantine"]]) {
      await core.ask("POST", `/servers/demo/${wish}`);
      await rowIs(page, "demo", condition);
    }
    const { server } = await core.ask("GET", "/servers/demo");
    await core.ask("POST", "/servers/demo/approve", { launch: server.launch.id, epoch: server.epoch });
    await rowIs(page, "demo", "connected");
    const { revision } = await core.ask("GET", "/servers");
    await page.until(`revision ${revision}`, (revision) => Number(document.documentElement.dataset.revision) >= revision, revision);
  }],
  ["disconnect and connect, from the row", async () => {
    await page.click(`${row("demo")} [data-deed=disconnect]`);
    await rowIs(page, "demo", "disconnected");
    await page.click(`${row("demo")} [data-deed=connect]`);
    await rowIs(page, "demo", "connected");
  }],
  ["restart, from the menu", async () => {
    const before = (await core.ask("GET", "/servers/demo")).server.phase.since;
    const revision = await page.run(() => Number(document.documentElement.dataset.revision));
    await choose(page, "demo", "Restart");
    await page.until("a restart", (revision) => Number(document.documentElement.dataset.revision) > revision, revision);
    await page.until("no button that is pending", () => !document.querySelector("[aria-busy=true]"));
    await core.until("demo", "connected");
    await rowIs(page, "demo", "connected");
    if ((await core.ask("GET", "/servers/demo")).server.phase.since === before) throw new Error("it did not restart");
  }],
  ["quarantine, then review both halves in one sitting", async () => {
    await choose(page, "demo", "Quarantine");
    await rowIs(page, "demo", "in_quarantine");
    await page.click(`${row("demo")} [data-deed=review]`);
    await page.until("both halves", () => document.querySelector("[data-approve]")?.textContent.includes("and clients see it"));
    await page.click("[data-approve]");
    await core.until("demo", "connected");
    await page.until("the approval", () => document.querySelector('[data-detail-condition="connected"]'));
    await go(page, "#/servers");
  }],
  ["a newcomer: its launch first, then what it offers", async () => {
    await page.click(`${row("demo-newcomer")} [data-deed=review]`);
    await page.until("what would run", () => document.querySelector("[data-launch]")?.innerText.includes("demo"));
    await page.click("[data-approve]");
    await page.until("what it offers", () => document.querySelector('[data-tool="echo"]') && document.querySelector("[data-approve]")?.textContent === "Let clients see it");
    await said(page, "written by the server");
    await page.click("[data-approve]");
    await core.until("demo-newcomer", "connected");
    await page.until("the approval", () => document.querySelector('[data-detail-condition="connected"]'));
    await go(page, "#/servers");
  }],
  ["what changed while it was shown is not approved", async () => {
    await core.ask("POST", "/servers", { name: "moving", entry: { command: "narthex-moving-1" } });
    await go(page, "#/servers/moving/review");
    await page.until("what would run", () => document.querySelector("[data-launch]")?.innerText.includes("moving-1"));
    await core.ask("PATCH", "/servers/moving", { command: "narthex-moving-2" });
    await said(page, "It has changed while you looked");
    await page.click("[data-approve]");
    await said(page, "Nothing was approved");
    await page.until("what holds", () => document.querySelector("[data-launch]").innerText.includes("moving-2"));
    if ((await core.ask("GET", "/servers/moving")).server.launch.approved) throw new Error("it was approved");
    if (!(await complaints()).every((complaint) => complaint.includes("409"))) throw new Error("the console says more than the 409");
    await core.ask("DELETE", "/servers/moving");
    await go(page, "#/servers");
  }],
  ["add by typing; the wrong field is named; remove and undo", async () => {
    await page.run(() => [...document.querySelectorAll("button")].find((button) => button.textContent.trim() === "Add").click());
    await page.type("input.mono", "sleep '1 000'");
    await page.until("the arguments one by one", () => [...document.querySelectorAll(".cut dd")].map((each) => each.textContent).join("|") === "sleep|1 000");
    await page.type("input.name", `demo${keys.enter}`);
    await page.until("the refusal at the name", () => document.querySelector("input.name[aria-invalid=true]"));
    await page.type("input.name", `${keys.backspace.repeat(4)}typed${keys.enter}`);
    await page.until("its review", () => location.hash === "#/servers/typed/review");
    await go(page, "#/servers");
    await choose(page, "typed", "Remove…");
    await page.run(() => [...document.querySelectorAll("dialog button")].find((button) => button.textContent.trim() === "Remove").click());
    await page.until("it to be gone", () => !document.querySelector('[data-server="typed"]'));
    await page.run(() => [...document.querySelectorAll("button")].find((button) => button.textContent.trim() === "Undo").click());
    await rowIs(page, "typed", "in_quarantine");
    await core.ask("DELETE", "/servers/typed");
    await complaints(); // The name that exists was refused with 409.
  }],
  ["keyboard: search, rows, open, back", async () => {
    await page.press("/");
    await page.press(..."newcomer");
    await page.until("one row", () => document.querySelectorAll("[data-server]").length === 1);
    await page.press(keys.down, keys.enter);
    await page.until("its page", () => document.querySelector('[data-detail="demo-newcomer"]'));
    await page.press(keys.escape);
    await page.until("the list alone", () => !document.querySelector("[data-detail]") && document.querySelector("[data-server]"));
    await page.press("/", keys.escape);
    await page.until("all rows", () => document.querySelectorAll("[data-server]").length >= 2);
  }],
  ["a credential for a client, shown once, and removed", async () => {
    await go(page, "#/clients");
    await page.type("form input", `cursor${keys.enter}`);
    const token = await page.until("the token", () => document.querySelector("[data-token]")?.textContent);
    if (!(await page.run(() => document.querySelector("pre").textContent)).includes(token)) throw new Error("it is not in what to paste");
    await page.click('[data-client="cursor"] button');
    await page.run(() => [...document.querySelectorAll("dialog button")].find((button) => button.textContent.trim() === "Remove").click());
    await page.until("it to be gone", () => !document.querySelector("[data-client]"));
    const { clients } = await core.ask("GET", "/clients");
    if (clients.length || (await page.text("main")).includes(token)) throw new Error("it is still there");
    await go(page, "#/servers");
  }],
  ["settings: what applies at once, what later, what is refused", async () => {
    const before = await core.ask("GET", "/settings").catch(() => null);
    if (!before) return "not in this core: skipped";
    await go(page, "#/settings");
    await page.find("select");
    await page.run(() => {
      const levels = document.querySelector("select");
      levels.value = "debug";
      levels.dispatchEvent(new Event("change", { bubbles: true }));
      return new Promise((resolve) => requestAnimationFrame(() => resolve()));
    });
    await page.until("the level", () => document.querySelector("select").value === "debug" && !document.querySelector("select").disabled);
    if ((await core.ask("GET", "/settings")).log_level.in_force !== "debug") throw new Error("the level did not change");
    const listen = async (text) => {
      await page.run(() => document.querySelector("form input").select());
      await page.type("form input", `${keys.backspace}${text}${keys.enter}`);
    };
    await listen("0.0.0.0:1");
    await said(page, "The address was not changed");
    await listen("127.0.0.1:7499");
    await said(page, "Takes effect when Narthex is started again");
    await core.ask("PATCH", "/settings", { listen: null, log_level: null });
    await complaints(); // The address that is not loopback was refused with 422.
    await go(page, "#/servers");
  }],
  ["pause all and resume", async () => {
    await go(page, "#/servers");
    await rowIs(page, "demo", "connected");
    await page.run(() => [...document.querySelectorAll("aside button")].find((button) => button.textContent.includes("Pause all")).click());
    await rowIs(page, "demo", "paused");
    await page.until("the sentence", () => document.querySelector("h1").textContent === "Paused");
    await page.run(() => [...document.querySelectorAll("aside button")].find((button) => button.textContent.includes("Resume")).click());
    await rowIs(page, "demo", "connected");
  }],
];
