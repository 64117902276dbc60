// Every client before every server, straight and through Narthex, with everything recorded on both
// sides of Narthex.
import { join } from "node:path";
import { Driver } from "./clients.mjs";
import { answers, stepsOf, stepsOfAll } from "./steps.mjs";
import { AddressTape, ProgramTape, save } from "./wire/tape.mjs";

/** Clients that are driven at once. */
const atOnce = 2;

/** The servers as Narthex gets them: each behind a tape. Adds to each `{ tape, entry }`. */
export async function behindTapes(servers, origins, folder) {
  return Promise.all(
    servers.map(async (server) => {
      const { name, path, transport, session } = server;
      const more = { ...(session && { session }), ...(transport && { transport }) };
      if (!path) {
        const tape = new ProgramTape(join(folder, `behind-${name}.tape`));
        return { ...server, tape, entry: { ...tape.around(server, "Narthex"), ...more } };
      }
      const tape = await AddressTape.before(origins[transport]);
      return { ...server, tape, entry: { url: `${tape.origin}${path}`, ...more } };
    }),
  );
}

/**
 * Runs it all; calls `done(pair)` with what was seen of each pair: `{ client, server, direct,
 * through }`, and once for each client over all servers, without `direct`.
 */
export async function everyPair(run, clients, done) {
  const waiting = clients.map((client, index) => ({ client, index }));
  const worker = async () => {
    for (let next; (next = waiting.shift()); ) await oneClient(run, next, done);
  };
  run.turns = new Turns();
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function oneClient(run, { client, index }, done) {
  const driver = new Driver(client, run.folder);
  const { servers } = run;
  // Each begins with another server, so that few wait for one.
  const order = servers.map((_, at) => servers[(at + index * 3) % servers.length]);
  if (!driver.itself) for (const server of order) done(await onePair(run, driver, server));
  done(await overAll(run, driver));
  await driver.end();
}

async function onePair(run, driver, server) {
  const session = { steps: stepsOf(server, run.place), answers: answersOf(server, run.place) };
  const name = `${driver.name}-${server.name}`.replaceAll(" ", "-");
  const direct = await straight(run, driver, server, session, name);
  const through = await run.turns.of([server.name], () => recorded(run, driver, [server], `/mcp/s/${server.name}`, session, name));
  return { client: driver.name, bridged: Boolean(driver.reach), server, direct, through };
}

/** One session over all servers at the merged address, begun as clients do that know no server yet. */
async function overAll(run, driver) {
  const session = { steps: stepsOfAll(run.servers, run.place), answers: answersOf({ roots: true }, run.place), era: "auto" };
  const names = run.servers.map(({ name }) => name);
  const name = `${driver.name}-all`.replaceAll(" ", "-");
  const through = await run.turns.of(names, () => recorded(run, driver, run.servers, "/mcp", session, name));
  return { client: driver.name, server: { name: "all" }, through };
}

/** A session without Narthex; resolves to the steps, and `seen`: what the client said and heard. */
async function straight(run, driver, server, session, name) {
  const file = join(run.folder, `${name}-straight`);
  if (!server.path || driver.reach) {
    const tape = new ProgramTape(`${file}.tape`);
    const target = server.path ? driver.reach({ url: `${run.origins[server.transport]}${server.path}`, transport: server.transport }) : server;
    const result = await driver.run({ ...session, ...tape.around(target, driver.name) });
    return { ...result, seen: tape.from(0) };
  }
  const tape = await AddressTape.before(run.origins[server.transport]);
  const result = await driver.run({ ...session, url: `${tape.origin}${server.path}`, transport: server.transport });
  tape.close();
  save(`${file}.txt`, tape.from(0));
  return { ...result, seen: tape.from(0) };
}

/** A session through Narthex; `front` and `behind` are what was said on the two sides of it. */
async function recorded({ core, folder }, driver, servers, path, session, name) {
  const front = await AddressTape.before(core.ready.mcp);
  const marks = servers.map(({ tape }) => tape.from(0).length);
  const way = { url: `${front.origin}${path}`, transport: "http", headers: { Authorization: `Bearer ${core.client}` } };
  const own = driver.reach && new ProgramTape(join(folder, `${name}-through.tape`));
  const result = await driver.run({ ...session, ...(own ? own.around(driver.reach(way), driver.name) : way) });
  front.close();
  const ofServers = (from) => servers.flatMap(({ tape, name }, at) => tape.from(from(at)).map((message) => ({ ...message, conn: `${name} ${message.conn}` })));
  const sides = {
    front: driver.itself ? own.from(0) : front.from(0),
    behind: ofServers((at) => marks[at]),
    ever: ofServers(() => 0),
  };
  save(join(folder, `${name}-front.txt`), sides.front);
  save(join(folder, `${name}-behind.txt`), sides.behind);
  return { ...result, ...sides, seen: own ? own.from(0) : sides.front };
}

function answersOf({ roots }, place) {
  return roots ? { ...answers, roots: [{ uri: `file://${place.roots}`, name: "work" }] } : answers;
}

/** Lets a server be used by one client at a time: what a shared one asks would else be refused. */
class Turns {
  #last = new Map();

  /** Runs `work` when nobody else has any of these. */
  async of(names, work) {
    const before = names.map((name) => this.#last.get(name));
    let free;
    const held = new Promise((resolve) => (free = resolve));
    for (const name of names) this.#last.set(name, held);
    await Promise.all(before);
    try {
      return await work();
    } finally {
      free();
    }
  }
}
