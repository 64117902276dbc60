// The comparison put to the proof: recordings that are falsified in one message, each of which it
// must notice.
import { acrossNarthex, passed, questions } from "./compare.mjs";
import { talk } from "./talk.mjs";

/**
 * Falsifies each message on the client's side of a session that passed through Narthex: one space
 * more, then left out. Returns `{ noticed, missed }`, the latter as texts.
 */
export function falsified(through) {
  const carried = new Set();
  const { asked, told } = talk(through.front);
  for (const { from, method, raw, answer, cancelled } of asked) {
    if (!(from === "client" ? passed : questions).includes(method)) continue;
    carried.add(raw);
    if (answer && !cancelled) carried.add(answer.raw);
  }
  for (const { method, raw, about } of told) {
    if (method === "notifications/cancelled" && about) carried.add(raw);
    if (method === "notifications/progress" && about && !about.cancelled) carried.add(raw);
  }
  const missed = [];
  let noticed = 0;
  for (const [at, message] of through.front.entries()) {
    if (!carried.has(message.raw)) continue;
    const others = [through.front.slice(0, at), through.front.slice(at + 1)];
    for (const instead of [[{ ...message, raw: message.raw.replace(":", ": ") }], []]) {
      const { differences } = acrossNarthex({ ...through, front: [...others[0], ...instead, ...others[1]] }, false);
      if (differences.length) noticed += 1;
      else missed.push(`${instead.length ? "changed" : "left out"}: ${message.raw.slice(0, 300)}`);
    }
  }
  return { noticed, missed };
}
