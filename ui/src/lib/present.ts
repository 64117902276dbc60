// What holds, as far as it was told: a value, and what each thing that is told makes of it. No I/O.
import type { Envelope, Problem, Server, ServerList, Status } from "../bindings";
import { unreachable } from "./unreachable";

export type Present = {
  readonly instance: string | null;
  /** The last revision applied. */
  readonly revision: number;
  readonly servers: ReadonlyMap<string, Server>;
  readonly paused: boolean;
  readonly clients: number;
  readonly problems: readonly Problem[];
  readonly status: Status | null;
  /** The revision at which each server, also a removed one, was last told of. */
  readonly told: ReadonlyMap<string, number>;
  /** The revision of the last fetch: a server that was not in it was not there then. */
  readonly floor: number;
  readonly coreTold: number;
};

export const nothing: Present = {
  instance: null,
  revision: 0,
  servers: new Map(),
  paused: false,
  clients: 0,
  problems: [],
  status: null,
  told: new Map(),
  floor: 0,
  coreTold: 0,
};

/** Returns what holds after a fetch, which replaces all that was known. */
export function fetched(status: Status, list: ServerList): Present {
  return {
    instance: list.instance,
    revision: list.revision,
    servers: new Map(list.servers.map((server) => [server.name, server])),
    paused: status.paused,
    clients: status.clients,
    problems: status.problems,
    status,
    told: new Map(),
    floor: list.revision,
    coreTold: status.revision,
  };
}

/**
 * Returns what holds after an event. Each server goes by its own revision, so that events may come in
 * any order, and one that is older than what is shown changes nothing.
 */
export function apply(present: Present, told: Envelope): Present {
  switch (told.event) {
    case "server": {
      const { revision, server } = told.data;
      if (isOld(present, server.name, revision)) return present;
      const servers = new Map(present.servers).set(server.name, server);
      return { ...present, ...marked(present, server.name, revision), servers };
    }
    case "removed": {
      const { revision, name } = told.data;
      if (isOld(present, name, revision)) return present;
      const servers = new Map(present.servers);
      servers.delete(name);
      return { ...present, ...marked(present, name, revision), servers };
    }
    case "core": {
      const { revision, paused, clients, problems } = told.data;
      if (revision <= present.coreTold) return present;
      return { ...present, paused, clients, problems, coreTold: revision, revision: later(present, revision) };
    }
    case "declined":
      // It changes no server, but what is asked for from then on is of its revision.
      return { ...present, revision: later(present, told.data.revision) };
    case "hello":
    case "gap":
      return present;
    default:
      return unreachable(told);
  }
}

const later = (present: Present, revision: number) => Math.max(present.revision, revision);

function isOld(present: Present, name: string, revision: number): boolean {
  return revision <= (present.told.get(name) ?? present.floor);
}

function marked(present: Present, name: string, revision: number) {
  return { told: new Map(present.told).set(name, revision), revision: later(present, revision) };
}
