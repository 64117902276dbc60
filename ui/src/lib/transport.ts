// What the pages need of the core, and of the desktop around it. Two things provide it: the desktop's
// bridge (`tauri.ts`) and REST in a browser (`rest.ts`). Nothing outside `lib/` knows which.
import type {
  Accepted,
  Approval,
  ClientList,
  ClientToken,
  CoreChanged,
  Gap,
  Hello,
  JsonValue,
  LogLine,
  Pending,
  RemovedServer,
  Server,
  ServerChanged,
  ServerList,
  ServerRemoved,
  Status,
  ToolList,
  Written,
} from "../bindings";

export type WishCommand = "connect" | "disconnect" | "restart" | "quarantine";

/** An approval that a person at the desktop answered with no. */
export type Declined = { revision: number; command: string; name: string };

/** What the core tells, under the names that its stream of events uses. */
export type Told =
  | { event: "hello"; data: Hello }
  | { event: "server"; data: ServerChanged }
  | { event: "removed"; data: ServerRemoved }
  | { event: "core"; data: CoreChanged }
  | { event: "gap"; data: Gap }
  | { event: "declined"; data: Declined };

export interface Follower {
  told(told: Told): void;
  /** The core can be heard: after this come events, and at first `hello`. */
  reached(): void;
  /** The core cannot be heard; the transport tries again by itself. */
  lost(reason: string): void;
}

export interface LogFollower {
  line(line: LogLine): void;
  /** So many lines were missed. */
  missed(count: number): void;
  ended(reason: string): void;
}

export type Stop = () => void;

export type Setting = { configured: string | null; in_force: string };
export type Settings = { listen: Setting; log_level: Setting };
export type SettingsPatch = { listen?: string | null; log_level?: string | null };

export interface Transport {
  readonly desktop: Desktop | null;
  status(): Promise<Status>;
  servers(): Promise<ServerList>;
  tools(name: string): Promise<ToolList>;
  wish(name: string, command: WishCommand): Promise<Accepted>;
  approve(name: string, approval: Approval): Promise<Accepted | Pending>;
  pause(): Promise<Accepted>;
  resume(): Promise<Accepted>;
  addServer(name: string, entry: JsonValue): Promise<Written>;
  patchServer(name: string, patch: JsonValue): Promise<Written>;
  removeServer(name: string): Promise<RemovedServer>;
  clients(): Promise<ClientList>;
  addClient(name: string): Promise<ClientToken>;
  removeClient(name: string): Promise<void>;
  settings(): Promise<Settings>;
  changeSettings(patch: SettingsPatch): Promise<Settings>;
  follow(follower: Follower): Stop;
  followLog(name: string, lines: number, follower: LogFollower): Stop;
  /** Returns what was kept under this key: drafts and scroll, which outlive the window. */
  recall(key: string): Promise<unknown>;
  keep(key: string, value: unknown): void;
}

export type Theme = "system" | "light" | "dark";
export type Preferences = { theme: Theme; notifications: boolean };

export type Shell = {
  version: string;
  attached: { pid: number; address: string } | null;
  home: string;
  address: string;
  config_file: string;
  autostart: { enabled: boolean; available: boolean; why_not: string | null };
  tray: "shown" | "no_host" | "no_bus";
  first_run: boolean;
};

/** Somebody at a terminal asks to approve. */
export type Confirmation = { command: string; server: Server; approval: Approval; since: string };

export interface DesktopListener {
  go(route: string): void;
  preferences(preferences: Preferences): void;
  shell(shell: Shell): void;
  confirmations(confirmations: Confirmation[]): void;
}

/** What only the desktop has: the program around the window. */
export interface Desktop {
  shell(): Promise<Shell>;
  changeAutostart(enabled: boolean): Promise<Shell>;
  preferences(): Promise<Preferences>;
  changePreferences(patch: Partial<Preferences>): Promise<Preferences>;
  confirmations(): Promise<Confirmation[]>;
  answer(command: string, approve: boolean): Promise<void>;
  showInConfig(name: string): Promise<void>;
  dismissFirstRun(): Promise<void>;
  listen(listener: DesktopListener): Stop;
}
