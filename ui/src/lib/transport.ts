// What the pages need of the core, and of the desktop around it. Two things provide it: the desktop's
// bridge (`tauri.ts`) and REST in a browser (`rest.ts`). Nothing outside `lib/` knows which.
import type {
  Accepted,
  Approval,
  Approved,
  ClientList,
  ClientToken,
  Command,
  Confirmation,
  Envelope,
  JsonValue,
  LogLine,
  Preferences,
  PreferencesPatch,
  RemovedServer,
  ServerList,
  Settings,
  SettingsPatch,
  Shell,
  Status,
  Written,
} from "../bindings";
import type { AnyToolList } from "./offered";

export interface Follower {
  told(told: Envelope): void;
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

export interface Transport {
  readonly desktop: Desktop | null;
  status(): Promise<Status>;
  servers(): Promise<ServerList>;
  tools(name: string): Promise<AnyToolList>;
  wish(name: string, command: Command): Promise<Accepted>;
  approve(name: string, approval: Approval): Promise<Approved>;
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
  changePreferences(patch: PreferencesPatch): Promise<Preferences>;
  confirmations(): Promise<Confirmation[]>;
  answer(command: string, approve: boolean): Promise<void>;
  showInConfig(name: string): Promise<void>;
  dismissFirstRun(): Promise<void>;
  listen(listener: DesktopListener): Stop;
}
