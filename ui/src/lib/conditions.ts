// What people read of a condition, and what they can do about it. INTERFACE.md, "Tray", has the rules.
import type { Action, Condition, Server } from "../bindings";
import { unreachable } from "./unreachable";

export const conditions: readonly Condition[] = [
  "connected",
  "connecting",
  "retrying",
  "failed",
  "sign_in_needed",
  "asleep",
  "disconnected",
  "off",
  "in_quarantine",
  "paused",
  "not_valid",
  "closing",
];

export const label: Record<Condition, string> = {
  connected: "Connected",
  connecting: "Connecting",
  retrying: "Retrying",
  failed: "Failed",
  sign_in_needed: "Sign-in needed",
  asleep: "Asleep",
  disconnected: "Disconnected",
  off: "Off",
  in_quarantine: "In quarantine",
  paused: "Paused",
  not_valid: "Not valid",
  closing: "Closing",
};

/** What a button of a server does. */
export type Deed = "connect" | "disconnect" | "restart" | "quarantine" | "try_again" | "sign_in" | "review" | "show_in_config";

export const deedLabel: Record<Deed, string> = {
  connect: "Connect",
  disconnect: "Disconnect",
  restart: "Restart",
  quarantine: "Quarantine",
  try_again: "Try again",
  sign_in: "Sign in…",
  review: "Review…",
  show_in_config: "Show in configuration…",
};

/** Returns the label for a row, which has less room than a menu. */
export function shortLabel(deed: Deed): string {
  return deed === "show_in_config" ? "Show entry…" : deedLabel[deed];
}

/** Returns the primary item of a server's menu; null where it only says the condition. */
export function primary(condition: Condition): Deed | null {
  switch (condition) {
    case "connected":
    case "connecting":
    case "retrying":
    case "asleep":
      return "disconnect";
    case "disconnected":
      return "connect";
    case "failed":
      return "try_again";
    case "sign_in_needed":
      return "sign_in";
    case "in_quarantine":
      return "review";
    case "off":
    case "not_valid":
      return "show_in_config";
    case "paused":
    case "closing":
      return null;
    default:
      return unreachable(condition);
  }
}

/** Returns the one deed beside a server's name: what would help, or else the primary one. */
export function oneDeed(server: Server): Deed | null {
  return (server.action && helping(server.action)) ?? primary(server.condition);
}

/** `resume` helps all servers at once and stands beside them all, not beside each. */
function helping(action: Action): Deed | null {
  switch (action) {
    case "approve":
    case "review":
      return "review";
    case "connect":
    case "try_again":
    case "sign_in":
    case "show_in_config":
      return action;
    case "resume":
      return null;
    default:
      return unreachable(action);
  }
}

/** Whether a restart would be refused. */
export function canRestart({ condition }: Server): boolean {
  switch (condition) {
    case "connected":
    case "connecting":
    case "retrying":
    case "failed":
    case "sign_in_needed":
    case "asleep":
      return true;
    case "disconnected":
    case "off":
    case "in_quarantine":
    case "paused":
    case "not_valid":
    case "closing":
      return false;
    default:
      return unreachable(condition);
  }
}

export function canQuarantine({ condition }: Server): boolean {
  return condition !== "in_quarantine" && condition !== "not_valid" && condition !== "closing";
}

/**
 * Whether a person put it in quarantine, which suspends both halves of its approval. A newcomer has the
 * action `approve` until its launch is; only what was suspended wants a review of what may not run.
 */
export function isSuspended({ condition, action, launch }: Server): boolean {
  return condition === "in_quarantine" && action === "review" && launch?.approved === false;
}

/** Returns how its launch stands. Who trusts the file for a whole run has not looked at each launch. */
export function launchWord({ launch }: Server, loosened: readonly string[]): string {
  if (launch === null) return "none: the entry cannot be used";
  if (!launch.approved) return "not approved";
  return loosened.includes("trust_config") ? "trusted: Narthex runs with --trust-config" : "approved";
}

/** What a server wants of a person, the most urgent first; null where it wants nothing. */
export type Want = "failed" | "not_valid" | "sign_in" | "review";

export function want({ condition, action }: Server): Want | null {
  if (condition === "failed") return "failed";
  if (condition === "not_valid") return "not_valid";
  if (condition === "sign_in_needed") return "sign_in";
  // A quarantine that the file asks for, and a server that is off, are a person's choice.
  return action === "approve" || action === "review" ? "review" : null;
}

/** The colour a want is shown in: calm rows carry none. */
export function tone(server: Server): "calm" | "waiting" | "failed" {
  const wanted = want(server);
  if (wanted === null) return "calm";
  return wanted === "failed" || wanted === "not_valid" ? "failed" : "waiting";
}
