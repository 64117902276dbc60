// The wire types, as `core/src/api/wire.rs` has them. Generated; do not edit.

export type Condition = "connected" | "connecting" | "retrying" | "failed" | "sign_in_needed" | "asleep" | "disconnected" | "off" | "in_quarantine" | "paused" | "not_valid" | "closing";

export type Action = "approve" | "review" | "connect" | "try_again" | "sign_in" | "resume" | "show_in_config";

export type TransportKind = "stdio" | "http" | "sse";

export type Phase =
  | { kind: "idle"; why: IdleReason }
  | { kind: "connecting"; attempt: number; stage: Stage; since: string; last_line?: string }
  | { kind: "connected"; since: string; implementation?: Implementation; protocol: string }
  | { kind: "disconnecting" }
  | { kind: "error"; attempt: number; retry_at: string | null; gave_up: boolean }
  | { kind: "stopped" };

export type Implementation = { name: string; version: string };

export type IdleReason = "off" | "quarantined" | "disconnected" | "paused" | "asleep";

export type Stage = "starting" | "initializing" | "listing";

export type Wish = "connected" | "disconnected";

export type ServerError = { kind: string; message: string; remedy: string; at?: Problem; last_lines?: Array<string> };

export type Launch = { id: string; approved: boolean; command?: string; args?: Array<string>; cwd?: string; env?: { [key in string]?: string }; url?: string; headers?: { [key in string]?: string } };

export type ToolCounts = { offered: number; held: number };

export type Server = { name: string; condition: Condition; sentence: string; action: Action | null; transport: TransportKind | null; phase: Phase; wish: Wish; error: ServerError | null; launch: Launch | null; epoch: number | null; tools: ToolCounts; since: string };

export type ServerList = { instance: string; revision: number; servers: Array<Server> };

export type OneServer = { instance: string; revision: number; server: Server };

export type DefinitionState = "offered" | "new" | "changed";

export type JsonValue = number | string | boolean | Array<JsonValue> | { [key in string]?: JsonValue } | null;

export type Tool = { name: string; offered_as: string; state: DefinitionState; definition: JsonValue };

export type ToolList = { revision: number; tools: Array<Tool> };

export type LogStream = "stdout" | "stderr" | "core";

export type LogLine = { time: string; stream: LogStream; line: string };

export type LogLines = { lines: Array<LogLine> };

export type NewServer = { name: string; entry: JsonValue };

export type Written = { revision: number; server: Server };

export type RemovedServer = { revision: number };

export type Accepted = { command: string; revision: number };

export type Pending = { command: string; pending: string };

export type Approval = { launch?: string; epoch?: number; offers?: Offers };

export type Offers = "first-seen";

export type Problem = { file: string; line: number | null; column: number | null; server: string | null; field: string | null; message: string; remedy: string };

export type Hello = { instance: string; revision: number };

export type ServerChanged = { revision: number; command?: string; server: Server };

export type ServerRemoved = { revision: number; name: string };

export type CoreChanged = { revision: number; command?: string; paused: boolean; clients: number; problems: Array<Problem> };

export type Gap = { revision: number };

export type ProblemDetails = { type: string; title: string; status: number; detail: string; remedy: string; fields?: Array<string> };

export type NewClient = { name: string };

export type ClientToken = { name: string; token: string };

export type Client = { name: string; added: string };

export type ClientList = { clients: Array<Client> };

export type Status = { instance: string; revision: number; version: string; pid: number; address: string; home: string; since: string; paused: boolean; clients: number; connected: number; wanted: number; loosened: Array<string>; problems: Array<Problem> };
