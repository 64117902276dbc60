// What every client asks of every server, as data; `clients/driving.mjs` says what each word does.
// `optional` says why a step cannot be done where its tool is not listed.

/** What clients answer when they are asked; the roots are added where a client has any. */
export const answers = {
  sampling: { role: "assistant", content: { type: "text", text: "Forty-two." }, model: "narthex-real", stopReason: "endTurn" },
  elicitation: {
    form: { action: "accept", content: { name: "Ada Lovelace", integer: 7, number: 2.5, check: true } },
    url: { action: "accept" },
  },
};

const slow = "trigger-long-running-operation";
const watched = "demo://resource/dynamic/text/1";
const idea = { thought: "One after the other.", nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 };

/** What is asked of each kind of server besides; `place` has the paths. */
const own = {
  everything: () => [
    { do: "call", tool: "echo", arguments: { message: 'hi, "ünï" 😀 \\ ' }, answer: "Echo: hi" },
    { do: "call", tool: "get-sum", arguments: { a: 20, b: 22 }, answer: "42" },
    { do: "call", tool: "get-structured-content", arguments: { location: "Chicago" }, answer: '"humidity":82' },
    { do: "call", tool: "get-tiny-image", arguments: {}, answer: "image/png" },
    { do: "call", tool: "get-annotated-message", arguments: { messageType: "error", includeImage: true }, answer: '"priority":1' },
    { do: "call", tool: "get-resource-links", arguments: { count: 2 }, answer: "demo://resource/dynamic/" },
    { do: "prompt", name: "simple-prompt", answer: "simple prompt" },
    { do: "prompt", name: "args-prompt", arguments: { city: "Oslo" }, answer: "Oslo" },
    { do: "prompt", name: "resource-prompt", arguments: { resourceType: "Text", resourceId: "3" }, answer: "demo://resource/dynamic/text/3" },
    { do: "read", uri: "demo://resource/dynamic/text/7", answer: "Resource 7" },
    { do: "read", uri: "demo://resource/dynamic/blob/8", answer: '"blob":' },
    { do: "refused", uri: "demo://nowhere", answer: "demo://nowhere" },
    // What no call causes comes to a client that has said how grave it must be.
    { do: "level", level: "debug" },
    { do: "log", tool: "toggle-simulated-logging", has: "evel" },
  ],
  files: (place) => [
    { do: "call", tool: "list_directory", arguments: { path: `${place.files}/kept` }, answer: "[FILE] greeting.txt" },
    { do: "call", tool: "write_file", arguments: { path: `${place.files}/written.txt`, content: "a\nb" }, answer: "written.txt" },
    { do: "call", tool: "read_text_file", arguments: { path: `${place.files}/written.txt`, tail: 1 }, answer: "b" },
    { do: "call", tool: "read_text_file", arguments: { path: "/etc/passwd" }, answer: '"isError":true' },
  ],
  "files-own": (place) => [
    { do: "roots", tool: "list_directory", arguments: { path: place.roots }, answer: "[FILE] of-the-client.txt" },
  ],
  memory: () => [
    { do: "call", tool: "read_graph", arguments: {}, answer: "entities" },
    { do: "call", tool: "create_entities", arguments: { entities: [{ name: "Ada", entityType: "person", observations: ["counts"] }] }, answer: "counts" },
    { do: "call", tool: "search_nodes", arguments: { query: "Ada" }, answer: "person" },
    { do: "call", tool: "delete_entities", arguments: { entityNames: ["Ada"] }, answer: "deleted" },
  ],
  thinking: () => [{ do: "call", tool: "sequentialthinking", arguments: idea, answer: "thoughtHistoryLength" }],
  time: () => [
    { do: "call", tool: "get_current_time", arguments: { timezone: "Asia/Tokyo" }, answer: "+09:00" },
    { do: "call", tool: "convert_time", arguments: { source_timezone: "UTC", time: "12:00", target_timezone: "Asia/Tokyo" }, answer: "+9.0h" },
    { do: "call", tool: "get_current_time", arguments: { timezone: "Nowhere/Here" }, answer: '"isError":true' },
  ],
  git: (place) => [
    { do: "call", tool: "git_status", arguments: { repo_path: place.git }, answer: "On branch main" },
    { do: "call", tool: "git_log", arguments: { repo_path: place.git, max_count: 1 }, answer: "One line" },
  ],
};

/** Returns the steps at a server's own address. */
export function stepsOf({ kind, tools }, place) {
  return [
    { do: "tools", least: tools },
    ...own[kind](place),
    { do: "prompts" },
    { do: "resources" },
    { do: "templates" },
    { do: "complete", ref: { type: "ref/prompt", name: "completable-prompt" }, argument: { name: "department", value: "Eng" }, answer: "Engineering" },
    { do: "complete", ref: { type: "ref/resource", uri: "demo://resource/dynamic/text/{resourceId}" }, argument: { name: "resourceId", value: "5" }, answer: "5" },
    { do: "level", level: "debug" },
    { do: "subscribe", uri: watched, tool: "toggle-subscriber-updates", optional: "changes no resource" },
    { do: "progress", tool: slow, arguments: { duration: 0.4, steps: 4 }, least: 3, optional: "no tool tells progress" },
    { do: "cancel", tool: slow, arguments: { duration: 1, steps: 10 }, optional: "no tool takes long enough" },
    { do: "sampling", tool: "trigger-sampling-request", arguments: { prompt: "why?" }, answer: "Forty-two.", optional: "asks nothing" },
    { do: "elicitation", tool: "trigger-elicitation-request", arguments: {}, answer: "Ada Lovelace", optional: "asks nothing" },
    {
      do: "elicitation",
      tool: "trigger-url-elicitation",
      arguments: { url: "https://example.com/pay", elicitationId: "e-1" },
      answer: "e-1",
      optional: "asks nothing",
    },
    { do: "ping" },
  ];
}

/** Returns the steps at the merged address, over all servers in one session. */
export function stepsOfAll(servers, place) {
  const offered = (server, step) => (step.tool ? { ...step, tool: `${server.name}__${step.tool}` } : step);
  const firsts = servers.map((server) => offered(server, own[server.kind](place)[0]));
  const everything = { name: "everything" };
  return [
    { do: "tools", least: servers.length, has: firsts.map(({ tool }) => tool) },
    ...firsts,
    { do: "prompts", has: ["everything__args-prompt", "everything-http__args-prompt"] },
    { do: "prompt", name: "everything-sse__args-prompt", arguments: { city: "Oslo" }, answer: "Oslo" },
    { do: "prompt", name: "everything-http__resource-prompt", arguments: { resourceType: "Text", resourceId: "3" }, answer: '"uri":"narthex+everything-http+demo://resource/dynamic/text/3"' },
    { do: "resources" },
    { do: "templates", has: ["demo://resource/dynamic/text/{resourceId}", "narthex+everything-http+demo://resource/dynamic/text/{resourceId}"] },
    { do: "read", uri: "demo://resource/dynamic/text/7", answer: '"uri":"demo://resource/dynamic/text/7"' },
    { do: "read", uri: "narthex+everything-sse+demo://resource/dynamic/text/7", answer: '"uri":"narthex+everything-sse+demo://resource/dynamic/text/7"' },
    { do: "call", tool: "everything-http__get-resource-links", arguments: { count: 1 }, answer: '"uri":"narthex+everything-http+demo://' },
    { do: "complete", ref: { type: "ref/prompt", name: "everything-sse__completable-prompt" }, argument: { name: "department", value: "Eng" }, answer: "Engineering" },
    { do: "level", level: "debug" },
    offered({ name: "everything-http" }, { do: "progress", tool: slow, arguments: { duration: 0.4, steps: 4 }, least: 3 }),
    offered({ name: "everything-sse" }, { do: "cancel", tool: slow, arguments: { duration: 1, steps: 10 } }),
    offered({ name: "everything-http" }, { do: "sampling", tool: "trigger-sampling-request", arguments: { prompt: "why?" }, answer: "Forty-two." }),
    offered(everything, { do: "elicitation", tool: "trigger-elicitation-request", arguments: {}, answer: "Ada Lovelace" }),
    offered({ name: "everything-own" }, { do: "elicitation", tool: "trigger-elicitation-request", arguments: {}, answer: "Ada Lovelace" }),
    {
      do: "subscribe",
      uri: "narthex+everything-http+demo://resource/dynamic/text/1",
      tool: "everything-http__toggle-subscriber-updates",
    },
    { do: "ping" },
  ];
}
