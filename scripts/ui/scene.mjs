// Servers in many conditions, for the pictures: made by the means that a person has.

/** Adds them; resolves when each is where it shall be. */
export async function setScene(core) {
  const { server: demo } = await core.ask("GET", "/servers/demo");
  const { command } = demo.launch;
  const add = (name, entry) => core.ask("POST", "/servers", { name, entry });
  const approve = async (name) => {
    const { server } = await core.ask("GET", `/servers/${encodeURIComponent(name)}`);
    await core.ask("POST", `/servers/${encodeURIComponent(name)}/approve`, { launch: server.launch.id });
  };
  const firstSeen = async (name) => {
    const { server } = await core.ask("GET", `/servers/${encodeURIComponent(name)}`);
    await core.ask("POST", `/servers/${encodeURIComponent(name)}/approve`, { launch: server.launch.id, offers: "first-seen" });
    await core.until(name, "connected");
  };

  await add("newcomer", { command: "npx", args: ["-y", "@example/mcp-server-notes", "--root", "/home/you/Documents and more"], env: { NOTES_TOKEN: "${env:HOME}" } });
  await add("legacy", { command, args: ["demo"], enabled: false });
  await add("a-server-with-a-long-name-from-some-package-registry", { command, args: ["demo"] });
  await firstSeen("a-server-with-a-long-name-from-some-package-registry");
  await add("mail", { command, args: ["demo"], env: { WHICH: "mail" } });
  await firstSeen("mail");
  await core.ask("POST", "/servers/mail/disconnect");
  await add("seen", { command, args: ["demo"], env: { WHICH: "seen" } });
  await approve("seen");
  await add("nowhere", { url: "http://127.0.0.1:9/mcp" });
  await approve("nowhere");
  await add("postgres", { command: "uvx-that-is-not-there", args: ["mcp-server-postgres", "postgresql://localhost/shop"] });
  await approve("postgres");
  const talk = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo \"INFO worker $i: opened /var/lib/talker/segment-$i.db, 4096 pages, checksum ok\" >&2; done; printf 'WARN \\033[33mslow disk\\033[0m \\342\\200\\213hidden\\n' >&2; exec \"$0\" demo";
  await add("talker", { command: "sh", args: ["-c", talk, command] });
  await firstSeen("talker");
}
