import { expect, test } from "vitest";
import type { Action, Condition } from "../src/bindings";
import { everyCondition, server } from "../src/gallery/fixtures";
import { type Deed, canRestart, conditions, deedLabel, isSuspended, label, launchWord, oneDeed, primary, tone, want } from "../src/lib/conditions";

/** INTERFACE.md, "Tray", word by word. */
const table: Record<Condition, string | null> = {
  connected: "Disconnect",
  connecting: "Disconnect",
  retrying: "Disconnect",
  asleep: "Disconnect",
  disconnected: "Connect",
  failed: "Try again",
  sign_in_needed: "Sign in…",
  in_quarantine: "Review…",
  off: "Show in configuration…",
  not_valid: "Show in configuration…",
  paused: null,
  closing: null,
};

test("the primary item of each condition", () => {
  const shown = Object.fromEntries(conditions.map((condition) => [condition, primary(condition)]));
  const labels = Object.fromEntries(Object.entries(shown).map(([condition, deed]) => [condition, deed && deedLabel[deed]]));
  expect(labels).toEqual(table);
});

test("every condition has its fixture and its label", () => {
  expect(everyCondition().map(({ condition }) => condition).sort()).toEqual([...conditions].sort());
  expect(conditions.map((condition) => label[condition])).toContain("Sign-in needed");
});

test("a restart is offered only where it is not refused", () => {
  expect(everyCondition().filter(canRestart).map(({ condition }) => condition).sort()).toEqual(
    ["asleep", "connected", "connecting", "failed", "retrying", "sign_in_needed"],
  );
});

test.each<[Condition, Action | null, Deed | null]>([
  ["connected", null, "disconnect"],
  ["connected", "review", "review"],
  ["in_quarantine", "approve", "review"],
  ["in_quarantine", "show_in_config", "show_in_config"],
  ["failed", "try_again", "try_again"],
  ["paused", "resume", null],
  ["closing", null, null],
])("the one deed of %s with the action %s is %s", (condition, action, deed) => {
  expect(oneDeed(server({ name: "a", condition, action }))).toBe(deed);
});

test("colour means that a person is wanted", () => {
  const tones = Object.fromEntries(everyCondition().map((server) => [server.condition, tone(server)]));
  expect(tones).toEqual({
    connected: "calm",
    connecting: "calm",
    retrying: "calm",
    failed: "failed",
    sign_in_needed: "waiting",
    asleep: "calm",
    disconnected: "calm",
    off: "calm",
    in_quarantine: "waiting",
    paused: "calm",
    not_valid: "failed",
    closing: "calm",
  });
});

test("a quarantine that the file asks for wants nobody", () => {
  expect(want(server({ name: "a", condition: "in_quarantine", action: "show_in_config" }))).toBeNull();
  expect(want(server({ name: "a", condition: "connected", action: "review" }))).toBe("review");
});

test("only a person's quarantine suspends", () => {
  const launch = (approved: boolean) => ({ id: "L", approved, command: "x" });
  const kept = (action: Action, approved: boolean) => server({ name: "a", condition: "in_quarantine", action, launch: launch(approved) });
  expect(isSuspended(kept("review", false))).toBe(true);
  expect(isSuspended(kept("review", true))).toBe(false);
  expect(isSuspended(kept("approve", false))).toBe(false);
  expect(isSuspended(server({ name: "a" }))).toBe(false);
});

test("who trusts the file has not approved each launch", () => {
  expect(launchWord(server({ name: "a" }), [])).toBe("approved");
  expect(launchWord(server({ name: "a" }), ["trust_config"])).toContain("--trust-config");
  expect(launchWord(server({ name: "a", launch: null }), [])).toContain("cannot be used");
});
