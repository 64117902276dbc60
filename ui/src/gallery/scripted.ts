// A transport without a core: it answers from fixtures, and tells what a test or the gallery scripts.
import type { Envelope, Preferences, Server, Shell, Status } from "../bindings";
import type { AnyToolList } from "../lib/offered";
import { Refusal } from "../lib/refusal";
import type { Desktop, Follower, LogFollower, Transport } from "../lib/transport";
import { offered } from "./fixtures";

function told(): Omit<AnyToolList, "revision"> {
  const { tools, prompts, templates, instructions } = offered;
  return { tools: [...tools], prompts: [...prompts], templates: [...templates], ...(instructions ? { instructions } : {}) };
}

export class Scripted implements Transport {
  desktop: Desktop | null = null;
  follower: Follower | null = null;
  logFollower: LogFollower | null = null;
  readonly kept = new Map<string, unknown>();
  readonly asked: string[] = [];
  instance = "one";
  revision = 1;
  paused = false;
  offered: Omit<AnyToolList, "revision"> = told();

  constructor(public list: Server[] = []) {}

  tell(told: Envelope) {
    this.follower?.told(told);
  }

  /** Changes a server as the core would, and tells of it. */
  change(server: Server, command?: string) {
    this.revision += 1;
    this.list = [...this.list.filter(({ name }) => name !== server.name), server];
    this.tell({ event: "server", data: { revision: this.revision, ...(command ? { command } : {}), server } });
  }

  async status(): Promise<Status> {
    const { instance, revision, paused } = this;
    const address = "127.0.0.1:7410";
    const since = "2026-11-20T08:00:00.000Z";
    return { instance, revision, version: "0.1.0", pid: 4242, address, home: "/home/you/.local/share/narthex", since, paused, clients: 2, connected: 0, wanted: 0, loosened: [], problems: [] };
  }

  servers = async () => ({ instance: this.instance, revision: this.revision, servers: this.list });
  tools = async (_: string) => ({ revision: this.revision, ...this.offered });

  wish: Transport["wish"] = async (name, command) => this.#accept(`${command} ${name}`);
  approve: Transport["approve"] = async (name, approval) => this.#accept(`approve ${name} ${JSON.stringify(approval)}`);
  pause = async () => this.#accept("pause");
  resume = async () => this.#accept("resume");
  addServer: Transport["addServer"] = async (name) => {
    this.asked.push(`add ${name}`);
    throw new Refusal("bad-entry", "`command` is a number; it must be a text.", "Put it in quotes.", ["entry.command"]);
  };
  patchServer: Transport["patchServer"] = async () => {
    throw new Refusal("not-found", "there is no file", "");
  };
  removeServer = async (name: string) => {
    this.asked.push(`remove ${name}`);
    this.revision += 1;
    this.list = this.list.filter((server) => server.name !== name);
    this.tell({ event: "removed", data: { revision: this.revision, name } });
    return { revision: this.revision };
  };
  clients = async () => ({ clients: [{ name: "cursor", added: "2026-11-20T08:00:00.000Z" }] });
  addClient = async (name: string) => ({ name, token: "narthex_client_0123456789abcdefghijklmnopqrstuvwxyzABCDEF" });
  removeClient = async () => undefined;
  settings: Transport["settings"] = async () => ({
    listen: { configured: "127.0.0.1:7411", in_force: "127.0.0.1:7410" },
    log_level: { configured: null, in_force: "info" },
  });
  changeSettings: Transport["changeSettings"] = () => this.settings();

  follow(follower: Follower) {
    this.follower = follower;
    follower.reached();
    follower.told({ event: "hello", data: { instance: this.instance, revision: this.revision } });
    return () => {
      this.follower = null;
    };
  }

  followLog(_: string, __: number, follower: LogFollower) {
    this.logFollower = follower;
    const time = "2026-11-20T08:15:30.000Z";
    follower.line({ time, stream: "core", line: "started" });
    follower.line({ time, stream: "stderr", line: "\u001b[32mlistening\u001b[0m on stdio" });
    follower.missed(12);
    follower.line({ time, stream: "stdout", line: "not a message\u0007" });
    return () => {
      this.logFollower = null;
    };
  }

  recall = async (key: string) => this.kept.get(key) ?? null;
  keep(key: string, value: unknown) {
    this.kept.set(key, value);
  }

  #accept(what: string) {
    this.asked.push(what);
    this.revision += 1;
    return { command: `c${this.revision}`, revision: this.revision };
  }
}

/** The program around the window, for what only the desktop shows. */
export function scriptedDesktop(part: Partial<Shell> = {}): Desktop {
  let shell: Shell = {
    version: "0.1.0",
    attached: { pid: 4242, address: "127.0.0.1:7410" },
    home: "/home/you/.local/share/narthex",
    address: "127.0.0.1:7410",
    config_file: "/home/you/.config/narthex/narthex.json",
    autostart: { enabled: false, available: true, why_not: null },
    tray: "no_host",
    first_run: true,
    ...part,
  };
  let preferences: Preferences = { theme: "system", notifications: true };
  return {
    shell: async () => shell,
    changeAutostart: async (enabled) => (shell = { ...shell, autostart: { ...shell.autostart, enabled } }),
    preferences: async () => preferences,
    changePreferences: async (patch) => (preferences = { ...preferences, ...patch }),
    confirmations: async () => [],
    answer: async () => undefined,
    showInConfig: async () => undefined,
    dismissFirstRun: async () => {
      shell = { ...shell, first_run: false };
    },
    listen: () => () => undefined,
  };
}
