// The transport of a browser: REST, and events over fetch. The credential stays in memory.
import type { Command, Envelope, JsonValue, LogLine, Missed, ProblemDetails, SettingsPatch } from "../bindings";
import { Refusal } from "./refusal";
import type { SseMessage } from "./sse";
import { followStream } from "./stream";
import type { Follower, LogFollower, Stop, Transport } from "./transport";

type Method = "GET" | "POST" | "PATCH" | "DELETE";

export class RestTransport implements Transport {
  readonly desktop = null;

  constructor(
    private readonly token: string,
    private readonly base = "/api/v1",
  ) {}

  status = () => this.#ask("GET", "/status") as ReturnType<Transport["status"]>;
  servers = () => this.#ask("GET", "/servers") as ReturnType<Transport["servers"]>;
  tools = (name: string) => this.#ask("GET", `${at(name)}/tools`) as ReturnType<Transport["tools"]>;
  wish = (name: string, command: Command) =>
    this.#ask("POST", `${at(name)}/${command}`) as ReturnType<Transport["wish"]>;
  approve: Transport["approve"] = (name, approval) =>
    this.#ask("POST", `${at(name)}/approve`, approval) as ReturnType<Transport["approve"]>;
  pause = () => this.#ask("POST", "/pause") as ReturnType<Transport["pause"]>;
  resume = () => this.#ask("POST", "/resume") as ReturnType<Transport["resume"]>;
  addServer = (name: string, entry: JsonValue) =>
    this.#ask("POST", "/servers", { name, entry }) as ReturnType<Transport["addServer"]>;
  patchServer = (name: string, patch: JsonValue) =>
    this.#ask("PATCH", at(name), patch) as ReturnType<Transport["patchServer"]>;
  removeServer = (name: string) => this.#ask("DELETE", at(name)) as ReturnType<Transport["removeServer"]>;
  clients = () => this.#ask("GET", "/clients") as ReturnType<Transport["clients"]>;
  addClient = (name: string) => this.#ask("POST", "/clients", { name }) as ReturnType<Transport["addClient"]>;
  removeClient = async (name: string) => {
    await this.#ask("DELETE", `/clients/${encodeURIComponent(name)}`);
  };
  settings = () => this.#ask("GET", "/settings") as ReturnType<Transport["settings"]>;
  changeSettings = (patch: SettingsPatch) =>
    this.#ask("PATCH", "/settings", patch) as ReturnType<Transport["changeSettings"]>;

  follow(follower: Follower): Stop {
    return followStream((lastId, signal) => this.#stream("/events", lastId, signal), {
      opened: () => follower.reached(),
      message: (message) => {
        const told = asTold(message);
        if (told) follower.told(told);
      },
      closed: (why) => {
        follower.lost(why.is("unreachable") ? why.message : why.kind);
        return !why.is("no-credential", "wrong-credential");
      },
    });
  }

  followLog(name: string, lines: number, follower: LogFollower): Stop {
    let began = false;
    return followStream(
      (_, signal) => {
        // After a break the last lines would come again; what was missed meanwhile is not known.
        const wanted = began ? 0 : lines;
        return this.#stream(`${at(name)}/logs/stream?lines=${wanted}`, null, signal);
      },
      {
        opened: () => {
          if (began) follower.missed(0);
          began = true;
        },
        message: ({ event, data }) => {
          if (event === "line") follower.line(JSON.parse(data) as LogLine);
          if (event === "gap") follower.missed((JSON.parse(data) as Missed).missed);
        },
        closed: (why) => {
          if (why.is("unreachable")) return true;
          follower.ended(why.message);
          return false;
        },
      },
    );
  }

  async recall(key: string): Promise<unknown> {
    try {
      const kept = sessionStorage.getItem(`narthex.${key}`);
      return kept === null ? null : JSON.parse(kept);
    } catch {
      return null;
    }
  }

  keep(key: string, value: unknown) {
    try {
      sessionStorage.setItem(`narthex.${key}`, JSON.stringify(value));
    } catch {
      // A browser that keeps nothing only costs a draft.
    }
  }

  async #ask(method: Method, path: string, body?: unknown): Promise<unknown> {
    const headers: Record<string, string> = { ...this.#credential(), Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const init: RequestInit = { method, headers, cache: "no-store" };
    if (body !== undefined) init.body = JSON.stringify(body);
    const response = await reach(this.base + path, init);
    if (!response.ok) throw await refusalOf(response);
    return response.status === 204 ? null : response.json();
  }

  async #stream(path: string, lastId: string | null, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { ...this.#credential(), Accept: "text/event-stream" };
    if (lastId !== null) headers["Last-Event-ID"] = lastId;
    const response = await reach(this.base + path, { headers, signal, cache: "no-store" });
    if (!response.ok) throw await refusalOf(response);
    return response;
  }

  #credential() {
    return { Authorization: `Bearer ${this.token}` };
  }
}

const at = (name: string) => `/servers/${encodeURIComponent(name)}`;

async function reach(address: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(address, init);
  } catch {
    throw new Refusal("unreachable", "the core does not answer", "It may be starting, or have been ended.");
  }
}

async function refusalOf(response: Response): Promise<Refusal> {
  try {
    const problem = (await response.json()) as ProblemDetails;
    const kind = problem.type.replace("urn:narthex:", "");
    return new Refusal(kind, problem.detail, problem.remedy, problem.fields ?? []);
  } catch {
    const kind = response.status >= 502 && response.status <= 504 ? "unreachable" : "unexpected";
    return new Refusal(kind, `the core answered ${response.status}`, "Try again.");
  }
}

const names = new Set(["hello", "server", "removed", "core", "gap", "declined"]);

function asTold({ event, data }: SseMessage): Envelope | null {
  return names.has(event) ? ({ event, data: JSON.parse(data) } as Envelope) : null;
}
