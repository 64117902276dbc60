// The types that cross a wire, as the core has them. Written by `npm run generate`.

/** The answer to a wish. */
export type Accepted = {
/** The command's id, which its events and log lines repeat. */
command: string,
/** The revision that records it; of two commands the higher one is the last. */
revision: number, };

/** The one thing that would help. */
export type Action = "approve" | "review" | "connect" | "try_again" | "sign_in" | "resume" | "show_in_config";

/** `POST /servers/{name}/approve`. */
export type Approval = {
/** The launch that was shown. */
launch?: string,
/** The epoch of the catalog that was shown. */
epoch?: number,
/** The explicit word for whatever it offers first. */
offers?: Offers, };

/** The answer to an approval. */
export type Approved = Accepted | Pending;

/** A core of another process that the desktop is attached to. */
export type Attached = {
/** Its process id. */
pid: number,
/** Where it listens. */
address: string, };

/** Whether the desktop starts at login. */
export type Autostart = {
/** Whether it does. */
enabled: boolean,
/** Whether that can be changed. */
available: boolean,
/** Why it cannot. */
why_not: string | null, };

/** A client that may speak MCP. */
export type Client = {
/** What it is called. */
name: string,
/** When it was added (RFC 3339, UTC). */
added: string, };

/** `GET /clients`. */
export type ClientList = {
/** The clients, by name. */
clients: Array<Client>, };

/** The answer to a new client: the only time its token is shown. */
export type ClientToken = {
/** What the client is called. */
name: string,
/** The credential: `narthex_client_…`. */
token: string, };

/** What a person can ask of one server without changing the file. */
export type Command = "connect" | "disconnect" | "restart" | "quarantine";

/** Why a command of the window was not done. */
export type CommandFailure = {
/** The kind, for programs, such as `in-quarantine`. */
kind: string,
/** What happened. */
message: string,
/** What to do about it. */
remedy: string, };

/** What holds for a server, in one word for people. */
export type Condition = "connected" | "connecting" | "retrying" | "failed" | "sign_in_needed" | "asleep" | "disconnected" | "off" | "in_quarantine" | "paused" | "not_valid" | "closing";

/** An approval that waits for the person at the window: somebody at a terminal asks for it. */
export type Confirmation = {
/** The command's id, which the answer names. */
command: string,
/** The server as it was when it was asked. */
server: Server,
/** What would be approved. */
approval: Approval,
/** Since when it waits (RFC 3339, UTC). */
since: string, };

/** See [`Event::Core`]. */
export type CoreChanged = {
/** The revision. */
revision: number,
/** The command that caused it, where one did. */
command?: string,
/** Whether all servers are paused. */
paused: boolean,
/** How many clients have a session. */
clients: number,
/** What is wrong with the file. */
problems: Array<Problem>, };

/** See [`Event::Declined`]. */
export type Declined = {
/** The revision. */
revision: number,
/** The command that asked for it. */
command: string,
/** The server's name. */
name: string,
/** Why not. */
why: WhyDeclined, };

/** Whether clients see a definition. */
export type DefinitionState = "offered" | "new" | "changed";

/** What is told to those who follow a core. As a server-sent event of `GET /events` the name and the
 * data stand apart, under the id `{instance}-{revision}`.
 */
export type Envelope = { "event": "hello", "data": Hello } | { "event": "server", "data": ServerChanged } | { "event": "removed", "data": ServerRemoved } | { "event": "core", "data": CoreChanged } | { "event": "declined", "data": Declined } | { "event": "gap", "data": Gap };

/** See [`Event::Gap`]. */
export type Gap = {
/** The revision of the view. */
revision: number, };

/** See [`Event::Hello`]. */
export type Hello = {
/** Names this run of the core. */
instance: string,
/** The revision of the view. */
revision: number, };

/** Why a server rests. */
export type IdleReason = "off" | "quarantined" | "disconnected" | "paused" | "asleep";

/** A program's own name and version, as it gave them in `initialize`. */
export type Implementation = {
/** Its name. Written by the server. */
name: string,
/** Its version. Written by the server. */
version: string, };

/** A server's instructions, with what a person's review made of them. */
export type Instructions = {
/** Whether clients see them. */
state: DefinitionState,
/** What they say. Written by the server. */
definition: string, };

export type JsonValue = number | string | boolean | Array<JsonValue> | { [key in string]: JsonValue } | null;

/** What would run, with values masked. References to the environment are shown as they stand in the
 * file; the id names what they stand for too.
 */
export type Launch = {
/** Names exactly what would run; an approval names it. */
id: string,
/** Whether a person has approved exactly this. */
approved: boolean,
/** The program, for a child process. */
command?: string,
/** Its arguments. */
args?: Array<string>,
/** Its working folder. */
cwd?: string,
/** The variables added to its environment; the values are masked. */
env?: { [key in string]: string },
/** The address, for a server over HTTP. */
url?: string,
/** The headers sent to it; the values are masked. */
headers?: { [key in string]: string }, };

/** What one who follows a log is told. As a server-sent event of `GET /servers/{name}/logs/stream`
 * the name and the data stand apart.
 */
export type LogEvent = { "event": "line", "data": LogLine } | { "event": "gap", "data": Missed };

/** How much is logged. */
export type LogLevel = "error" | "warn" | "info" | "debug" | "trace";

/** A line of a server's log. */
export type LogLine = {
/** When (RFC 3339, UTC). */
time: string,
/** Where from. */
stream: LogStream,
/** The text, without its newline. */
line: string, };

/** `GET /servers/{name}/logs`. */
export type LogLines = {
/** The last lines, oldest first. */
lines: Array<LogLine>, };

/** Where a log line comes from. */
export type LogStream = "stdout" | "stderr" | "core";

/** See [`LogEvent::Gap`]. */
export type Missed = {
/** How many lines. */
missed: number, };

/** `POST /clients`. */
export type NewClient = {
/** What the client shall be called. */
name: string, };

/** `POST /servers`. */
export type NewServer = {
/** Its name: the key in the file. */
name: string,
/** The entry as it shall stand in the file. */
entry: JsonValue, };

/** The explicit word for what has not been seen. */
export type Offers = "first-seen";

/** `GET /servers/{name}`. */
export type OneServer = {
/** Names this run of the core. */
instance: string,
/** The revision of the view. */
revision: number,
/** The server. */
server: Server, };

/** The answer to an approval that waits for the desktop's window. */
export type Pending = {
/** The command's id. */
command: string,
/** What it waits for: `confirmation`. */
pending: string, };

/** Where the machine is in a server's lifecycle. */
export type Phase = { "kind": "idle",
/** Why it rests. */
why: IdleReason, } | { "kind": "connecting",
/** Which attempt in a row this is, from 1. */
attempt: number,
/** How far it has come. */
stage: Stage,
/** When the attempt began (RFC 3339, UTC). */
since: string,
/** The last line of the server's standard error: what a download that takes long is at.
 * Written by the server.
 */
last_line?: string, } | { "kind": "connected",
/** Since when (RFC 3339, UTC). */
since: string,
/** What the server says it is called, and its version. */
implementation?: Implementation,
/** The protocol revision agreed on. */
protocol: string, } | { "kind": "disconnecting" } | { "kind": "error",
/** How many attempts in a row have failed. */
attempt: number,
/** When the next attempt is (RFC 3339, UTC); null when it was given up. */
retry_at: string | null,
/** Whether no further attempt is planned. */
gave_up: boolean, } | { "kind": "stopped" };

/** How a person wants the desktop. */
export type Preferences = {
/** Light or dark. */
theme: Theme,
/** Whether it notifies of what needs a person. */
notifications: boolean, };

/** A change of preferences: what is not given stays. */
export type PreferencesPatch = {
/** Light or dark. */
theme?: Theme,
/** Whether it notifies of what needs a person. */
notifications?: boolean, };

/** Something in the file that cannot be used, or a notice about it. */
export type Problem = {
/** The file. */
file: string,
/** The line, from 1; null where there is none. */
line: number | null,
/** The column in characters, from 1. */
column: number | null,
/** The server concerned, if one is. */
server: string | null,
/** The field concerned, such as `args[2]`. */
field: string | null,
/** What is wrong. */
message: string,
/** What to do about it. */
remedy: string, };

/** An error outside MCP (RFC 9457, `application/problem+json`). */
export type ProblemDetails = {
/** A name for the kind of problem, such as `urn:narthex:not-approved`. */
type: string,
/** A short title. */
title: string,
/** The HTTP status. */
status: number,
/** What happened. */
detail: string,
/** What to do about it. */
remedy: string,
/** The fields of the request concerned. */
fields?: Array<string>, };

/** The answer to a removal. */
export type RemovedServer = {
/** The revision that no longer shows it. */
revision: number, };

/** One server, the same object for every surface. */
export type Server = {
/** Its name: the key in the file. */
name: string,
/** What holds for it. */
condition: Condition,
/** The same in a sentence. */
sentence: string,
/** The one thing that would help, or null. */
action: Action | null,
/** How it is reached; null when the entry is not valid. */
transport: TransportKind | null,
/** Where the machine is. */
phase: Phase,
/** What a person wants of it. */
wish: Wish,
/** What went wrong, or null. */
error: ServerError | null,
/** What would run; null when the entry is not valid. */
launch: Launch | null,
/** Grows by one with every change of what it offers; null before a first catalog. */
epoch: number | null,
/** How many tools clients see. */
tools: ToolCounts,
/** Since when the condition holds (RFC 3339, UTC). */
since: string, };

/** See [`Event::Server`]. */
export type ServerChanged = {
/** The revision. */
revision: number,
/** The command that caused it, where one did. */
command?: string,
/** The whole object. */
server: Server, };

/** What went wrong with a server. */
export type ServerError = {
/** The kind of error, for programs, such as `command_not_found`. */
kind: string,
/** What happened, for people. */
message: string,
/** What to do about it. */
remedy: string,
/** Where in the file, for an entry that is not valid. */
at?: Problem,
/** The last lines of the server's standard error, oldest first. Written by the server. */
last_lines?: Array<string>, };

/** `GET /servers`. */
export type ServerList = {
/** Names this run of the core. */
instance: string,
/** The revision of the view. */
revision: number,
/** The servers, by name. */
servers: Array<Server>, };

/** See [`Event::Removed`]. */
export type ServerRemoved = {
/** The revision. */
revision: number,
/** The server's name. */
name: string, };

/** One setting. */
export type Setting = {
/** What the file says, the last that could be used; null where it says nothing. */
configured: string | null,
/** What holds. */
in_force: string, };

/** `GET /settings`. */
export type Settings = {
/** Where Narthex listens. What is configured is in force when it is started again. */
listen: Setting,
/** How much is logged. What is configured is in force at once, unless `NARTHEX_LOG` is set in
 * the environment.
 */
log_level: Setting, };

/** `PATCH /settings`, a merge patch: what is null is taken out of the file, what is not there stays
 * as it is.
 */
export type SettingsPatch = {
/** Where Narthex shall listen: `127.0.0.1:7410`. */
listen?: string | null,
/** How much shall be logged: `error`, `warn`, `info`, `debug` or `trace`. */
log_level?: LogLevel | null, };

/** What the desktop says of itself. */
export type Shell = {
/** Its version. */
version: string,
/** The core it is attached to; null where it runs its own. */
attached: Attached | null,
/** The folder that the core holds. */
home: string,
/** Where the core listens: `127.0.0.1:7410`. */
address: string,
/** The person's configuration. */
config_file: string,
/** Whether it starts at login. */
autostart: Autostart,
/** Whether its icon is to be seen. */
tray: TrayState,
/** Whether this is the first run, which introduces itself. */
first_run: boolean, };

/** How far an attempt to connect has come. */
export type Stage = "starting" | "initializing" | "listing";

/** `GET /status`. */
export type Status = {
/** Names this run of the core. */
instance: string,
/** The revision of the view. */
revision: number,
/** The core's version. */
version: string,
/** Its process id. */
pid: number,
/** Where it listens: `127.0.0.1:7410`. */
address: string,
/** The folder it holds. */
home: string,
/** Since when it runs (RFC 3339, UTC). */
since: string,
/** Whether all servers are paused. */
paused: boolean,
/** How many clients have a session. */
clients: number,
/** How many servers are connected. */
connected: number,
/** How many are wanted: approved, not off, not disconnected. */
wanted: number,
/** What is loosened for this run: `trust_config`, `no_client_auth`. */
loosened: Array<string>,
/** What is wrong with the file. */
problems: Array<Problem>, };

/** Light or dark. */
export type Theme = "system" | "light" | "dark";

/** A tool of a server. */
export type Tool = {
/** Its name. Written by the server. */
name: string,
/** The name clients see at `/mcp`. */
offered_as: string,
/** Whether clients see it. */
state: DefinitionState,
/** The definition as the server gave it. */
definition: JsonValue, };

/** How many tools of a server clients see, and how many are held. */
export type ToolCounts = {
/** In clients' lists: none of a server that is disconnected, paused, off or in quarantine. */
offered: number,
/** Held until a person has approved them: all, in quarantine. */
held: number, };

/** `GET /servers/{name}/tools`. */
export type ToolList = {
/** The revision of the view. */
revision: number,
/** The tools, in the server's order. */
tools: Array<Tool>,
/** The prompts, in the server's order. */
prompts: Array<Tool>,
/** The templates of resources, in the server's order; each is named by its template. */
templates: Array<Tool>,
/** The server's instructions, if it gave any. */
instructions?: Instructions, };

/** How a server is reached. */
export type TransportKind = "stdio" | "http" | "sse";

/** Whether the tray's icon is to be seen. */
export type TrayState = "shown" | "no_host" | "no_bus";

/** Why an approval that waited for a person will not come. */
export type WhyDeclined = "answered_no" | "moved_on" | "not_answered";

/** What a person wants of a server. */
export type Wish = "connected" | "disconnected";

/** The answer to a change of the file that leaves the server there. */
export type Written = {
/** The revision that shows it. */
revision: number,
/** The server as the view has it. */
server: Server, };
