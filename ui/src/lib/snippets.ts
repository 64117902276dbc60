// What to paste into a client, so that it speaks to Narthex.

export type Snippet = { client: string; where: string; text: string };

export function snippets(address: string, token: string): Snippet[] {
  const url = `http://${address}/mcp`;
  const headers = { Authorization: `Bearer ${token}` };
  return [
    {
      client: "Claude Code",
      where: "in a terminal",
      text: `claude mcp add --transport http -s user narthex ${url} --header "Authorization: Bearer ${token}"`,
    },
    {
      client: "Cursor",
      where: "~/.cursor/mcp.json",
      text: JSON.stringify({ mcpServers: { narthex: { url, headers } } }, null, 2),
    },
    {
      client: "VS Code",
      where: ".vscode/mcp.json",
      text: JSON.stringify({ servers: { narthex: { type: "http", url, headers } } }, null, 2),
    },
    {
      client: "Codex",
      where: "~/.codex/config.toml",
      text: `[mcp_servers.narthex]\nurl = "${url}"\nhttp_headers = { Authorization = "Bearer ${token}" }`,
    },
    {
      client: "Claude Desktop",
      where: "claude_desktop_config.json; needs no credential of its own",
      text: JSON.stringify(
        { mcpServers: { narthex: { command: "narthex", args: ["stdio", "--client", "claude-desktop"] } } },
        null,
        2,
      ),
    },
  ];
}
