// What the buttons and menus of a server do, once for rows, pages and menus.
import type { Server } from "../../bindings";
import type { App } from "../../lib/app.svelte";
import { type Deed, canQuarantine, canRestart, deedLabel, label, primary } from "../../lib/conditions";
import { router } from "../../lib/router.svelte";
import { serverRoute } from "../../lib/routes";
import { unreachable } from "../../lib/unreachable";
import type { MenuItem } from "../shared/menu";

export function perform(app: App, deed: Deed, name: string): void {
  switch (deed) {
    case "connect":
    case "disconnect":
    case "restart":
    case "quarantine":
      void app.commands.wish(name, deed);
      return;
    case "try_again":
      void app.commands.wish(name, "connect");
      return;
    case "review":
      router.go(serverRoute(name, "review"));
      return;
    case "sign_in":
      // Its page tells how; Narthex does not sign in by itself yet.
      router.go(serverRoute(name));
      return;
    case "show_in_config":
      showInConfig(app, name);
      return;
    default:
      unreachable(deed);
  }
}

/** A browser cannot open the file; the server's page says where in it the entry stands. */
function showInConfig(app: App, name: string) {
  if (!app.desktop) return router.go(serverRoute(name));
  app.desktop.desktop
    .showInConfig(name)
    .catch((error: unknown) => app.commands.refused("The configuration was not opened", error));
}

/** Whether the button of this deed waits for an answer. */
export function isPending(app: App, deed: Deed, name: string): boolean {
  const asked = app.commands.pending(name);
  return asked !== null && asked === (deed === "try_again" ? "connect" : deed);
}

/** The five items that every surface has, then what only the window offers. */
export function menuItems(app: App, server: Server, remove: () => void): MenuItem[] {
  const { name, condition } = server;
  const first = primary(condition);
  const item = (deed: Deed, enabled = true): MenuItem => ({
    label: deedLabel[deed],
    act: enabled ? () => perform(app, deed, name) : null,
  });
  const items: MenuItem[] = [
    first ? item(first) : { label: label[condition], act: null },
    item("restart", canRestart(server)),
    item("quarantine", canQuarantine(server)),
    { label: "Logs…", act: () => router.go(serverRoute(name, "logs")) },
    { label: "Open…", act: () => router.go(serverRoute(name)) },
  ];
  if (app.desktop && first !== "show_in_config") items.push({ ...item("show_in_config"), apart: true });
  items.push({ label: "Remove…", act: remove, look: "danger", apart: !items.at(-1)?.apart });
  return items;
}
