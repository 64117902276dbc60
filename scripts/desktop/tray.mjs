// The tray's menu as a host reads and presses it: over the bus, by what stands in it.
import { Stop } from "../lib/say.mjs";

export class Tray {
  constructor(session, pid) {
    Object.assign(this, { session, item: `org.kde.StatusNotifierItem-${pid}-1` });
  }

  /** Presses an item of a server's submenu. */
  press(server, label) {
    const rows = this.rows();
    const at = rows.findIndex((row) => row.label.startsWith(`${server}: `));
    const row = rows.slice(at + 1).find((row) => row.label === label);
    if (at < 0 || !row) throw new Stop(`the tray has no ${server} / ${label}: ${rows.map((row) => row.label).join(", ")}`);
    this.#call("Event", row.id, "clicked", "<''>", "0");
  }

  /** Returns all rows in the order in which they are read, those of a submenu after their own. */
  rows() {
    const layout = this.#call("GetLayout", "0", "-1", "[]");
    return [...layout.matchAll(/\((\d+), \{([^{}]*)\}/g)].map(([, id, properties]) => ({
      id,
      label: /'label': <'([^']*)'>/.exec(properties)?.[1] ?? "",
    }));
  }

  #call(method, ...args) {
    const to = ["--session", "--dest", this.item, "--object-path", "/MenuBar", "--method", `com.canonical.dbusmenu.${method}`];
    return this.session.output("gdbus", ["call", ...to, "--", ...args]);
  }
}
