// Recorded messages held against each other: what was said on the two sides of Narthex, and what a
// client saw with and without it. What may differ is what docs/wire.md lists, and no more.
import { blank, changed, elements, sorted, span } from "./raw.mjs";
import { talk } from "./talk.mjs";

/** What Narthex passes on, of a client's requests and of a server's. */
export const passed = ["tools/call", "prompts/get", "resources/read", "completion/complete"];
export const questions = ["sampling/createMessage", "elicitation/create", "roots/list"];

/** What Narthex answers itself; the envelope is its own then. */
const answered = ["ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];

/** Ids and progress tokens: they are of one connection. */
const numbers = [["id"], ["params", "_meta", "progressToken"], ["params", "progressToken"], ["params", "requestId"]];
/** Where names stand that have the server's before them at the merged address. */
const names = [["params", "name"], ["params", "ref", "name"], ["name"]];

const lists = { "tools/list": ["tools", "name"], "prompts/list": ["prompts", "name"], "resources/list": ["resources", "uri"], "resources/templates/list": ["resourceTemplates", "uriTemplate"] };

/** Offered URIs of the merged address, as their server calls them. */
const offered = /"narthex\+[\w.-]+\+([^"]*)"/g;

/** Counts what is equal, and collects what is not. */
export class Verdict {
  equal = 0;
  differences = [];

  /** Takes two texts that must be the same; one that is not there is null. */
  same(what, one, other, { names: [left, right] }) {
    if (one === other) {
      this.equal += 1;
      return;
    }
    const at = [...(one ?? "")].findIndex((char, index) => char !== other?.[index]);
    this.differences.push(`${what}\n${left}: ${around(one, at)}\n${right}: ${around(other, at)}`);
  }
}

/**
 * Compares what a client and Narthex said with what Narthex and the servers said in the same run.
 * `ever` is all that was said behind Narthex since it began.
 */
export function acrossNarthex({ front, behind, ever }, merged) {
  const verdict = new Verdict();
  const sides = { names: ["client's side ", "server's side "] };
  const [outside, inside] = [talk(front), talk(behind)];
  const plain = (text) => blank(text, numbers);
  // What the client's side calls otherwise, as the server calls it.
  const own = (text) => {
    if (!merged) return plain(text);
    const renamed = names.reduce((text, path) => changed(text, path, (name) => name.slice(name.indexOf("__") + 1).replace(/^_/, "")), plain(text));
    return renamed.replace(offered, '"$1"');
  };
  const left = new Set(inside.asked);
  const counterpart = (request) => {
    const alike = [...left].filter(({ from, method }) => from === request.from && method === request.method);
    const found = alike.find(({ raw, conn }) => plain(raw) === own(request.raw) && of(request, conn)) ?? alike[0];
    left.delete(found);
    return found;
  };
  // At the merged address the name says whose it is.
  const of = ({ json }, conn) => {
    const name = json.params?.name ?? json.params?.ref?.name;
    return !merged || !name || conn.startsWith(`${name.split("__")[0]} `);
  };
  for (const request of outside.asked.filter(({ from, method }) => (from === "client" ? passed : questions).includes(method))) {
    const same = counterpart(request);
    verdict.same(`${request.from}'s ${request.method}`, own(request.raw), same ? plain(same.raw) : null, sides);
    if (!same) continue;
    request.counterpart = same;
    const cancellation = (talk, about) => talk.told.find((notice) => notice.about === about && notice.method === "notifications/cancelled");
    if (request.cancelled || same.cancelled) verdict.same(`cancellation of ${request.method}`, text(cancellation(outside, request), plain), text(cancellation(inside, same), plain), sides);
    else verdict.same(`answer to ${request.method}`, text(request.answer, own), text(same.answer, plain), sides);
  }
  for (const { from, method, raw, answer } of left) {
    if (from === "client" && passed.includes(method)) verdict.same(`${method} that no client sent`, null, raw, sides);
    // A question that no client heard must have been refused with a reason.
    if (from === "server" && questions.includes(method)) verdict.same(`refusal of ${method}`, "kind", answer?.json.error?.data?.kind ? "kind" : text(answer), sides);
  }
  notices(verdict, outside, inside, { own, plain }, sides);
  definitions(verdict, outside, talk(ever), merged ? own : (text) => text, sides);
  return verdict;
}

function notices(verdict, outside, inside, { own, plain }, sides) {
  for (const request of outside.asked.filter(({ counterpart }) => counterpart)) {
    const progress = ({ told }, about) => told.filter((notice) => notice.about === about && notice.method === "notifications/progress").map(({ raw }) => plain(raw));
    const [seen, sent] = [progress(outside, request), progress(inside, request.counterpart)];
    // What comes after a cancellation is for nobody.
    const due = request.cancelled ? sent.slice(0, seen.length) : sent;
    for (let at = 0; at < Math.max(seen.length, due.length); at += 1) verdict.same(`progress of ${request.method}`, seen[at] ?? null, due[at] ?? null, sides);
  }
  const messages = ({ told }) => told.filter(({ from, method }) => from === "server" && ["notifications/message", "notifications/resources/updated", "notifications/elicitation/complete"].includes(method));
  const sent = messages(inside).map(({ raw }) => plain(raw));
  for (const { raw, method } of messages(outside)) {
    const at = sent.indexOf(own(raw));
    verdict.same(method, own(raw), at < 0 ? null : sent.splice(at, 1)[0], sides);
  }
}

/** Holds each definition that a client was given against those that servers ever gave. */
function definitions(verdict, outside, ever, own, sides) {
  for (const [method, [member]] of Object.entries(lists)) {
    const of = ({ asked }) => asked.filter((request) => request.method === method && request.answer).flatMap(({ answer }) => elements(answer.raw, ["result", member]));
    const known = new Set(of(ever));
    for (const text of of(outside)) verdict.same(`definition in ${method}`, own(text), known.has(own(text)) ? own(text) : null, sides);
  }
}

/** Compares what a client saw straight before a server with what it saw through Narthex. */
export function withAndWithout(direct, through, { varies, conditional }, bridged) {
  const verdict = new Verdict();
  const sides = { names: ["without Narthex", "with Narthex   "] };
  // A bridge of its own writes the envelope anew, and only with Narthex there always is one.
  const plain = (raw) => varies.reduce((text, pattern) => text.replace(pattern, "…"), blank(bridged ? sorted(raw) : raw, numbers));
  const [one, other] = [talk(direct.seen), talk(through.seen)];
  // A server asks for roots when it likes, and some sessions are over by then.
  const roots = through.rows.some(({ step, state }) => step.do === "roots" && state === "passed");
  const requests = ({ asked }, from) => asked.filter((request) => request.from === from && (roots || request.method !== "roots/list"));
  for (const from of ["client", "server"]) {
    const [left, right] = [once(requests(one, from), plain), once(requests(other, from), plain)];
    for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
      const [a, b] = [left[at], right[at]];
      const what = `${(a ?? b).method} ${at + 1} of the ${from}`;
      verdict.same(what, a ? plain(a.raw) : null, b ? plain(b.raw) : null, sides);
      if (!a || !b || a.cancelled) continue;
      if (lists[a.method]) offers(verdict, a, b, conditional, sides);
      else if (a.method === "initialize") introduction(verdict, a, b, sides);
      else if (answered.includes(a.method)) verdict.same(`answer to ${what}`, result(a), result(b), sides);
      else verdict.same(`answer to ${what}`, text(a.answer, plain), text(b.answer, plain), sides);
    }
  }
  const told = (talk, from, method) => talk.told.filter((notice) => notice.from === from && notice.method === method && !notice.about?.cancelled).map(({ raw }) => plain(raw));
  for (const [from, method] of [["client", "notifications/initialized"], ["client", "notifications/cancelled"], ["server", "notifications/progress"], ["server", "notifications/resources/updated"]]) {
    // Progress counts; an update comes again and again until it is not wanted any more.
    const each = (texts) => (method.endsWith("updated") ? [...new Set(texts)] : texts);
    const [left, right] = [told(one, from, method), told(other, from, method)].map(each);
    for (let at = 0; at < Math.max(left.length, right.length); at += 1) verdict.same(`${method} ${at + 1}`, left[at] ?? null, right[at] ?? null, sides);
  }
  return verdict;
}

/** Of requests that are the same one after the other the last: they were asked until it was so. */
function once(requests, plain) {
  return requests.filter(({ raw }, at) => !requests[at + 1] || plain(requests[at + 1].raw) !== plain(raw));
}

function introduction(verdict, a, b, sides) {
  for (const part of ["protocolVersion", "instructions"]) verdict.same(`${part} in initialize`, `${a.answer?.json.result?.[part]}`, `${b.answer?.json.result?.[part]}`, sides);
}

function offers(verdict, a, b, conditional, sides) {
  const [member, name] = lists[a.method];
  const byName = ({ answer }) => new Map(elements(answer?.raw ?? "{}", ["result", member]).map((text) => [JSON.parse(text)[name], text]));
  const [left, right] = [byName(a), byName(b)];
  const order = (one, other) => [...one.keys()].filter((key) => other.has(key)).join(", ");
  verdict.same(`order in ${a.method}`, order(left, right), order(right, left), sides);
  for (const key of new Set([...left.keys(), ...right.keys()])) {
    if (conditional.includes(key) && !(left.has(key) && right.has(key))) continue;
    verdict.same(`${key} in ${a.method}`, left.get(key) ?? null, right.get(key) ?? null, sides);
  }
}

function text(answer, plain = (raw) => raw) {
  return answer ? plain(answer.raw) : null;
}

function result({ answer }) {
  const [start, end] = (answer && span(answer.raw, ["result"])) ?? [];
  return start === undefined ? text(answer) : answer.raw.slice(start, end);
}

/** Returns the part of a text around a place, short enough to be read. */
function around(text, at) {
  if (text === null || text === undefined) return "nothing";
  const from = Math.max(0, at - 200);
  return `${from ? "…" : ""}${text.slice(from, from + 600)}${text.length > from + 600 ? "…" : ""}`;
}
