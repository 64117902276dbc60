"""The Python SDK as a client: one session for all requests.

Reads {"url", "token", "servers"} as JSON from standard input and writes one JSON object a line:
{"what", "server", "passed", "detail", "ms"}.
"""

import asyncio
import json
import sys
import time

from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

DEADLINE_SECONDS = 60


async def main() -> None:
    asked = json.load(sys.stdin)
    headers = {"Authorization": f"Bearer {asked['token']}"}
    async with create_mcp_http_client(headers=headers) as http:
        transport = streamable_http_client(asked["url"], http_client=http)
        async with Client(transport, read_timeout_seconds=DEADLINE_SECONDS) as client:
            await ask(client, asked["servers"])


async def ask(client: Client, servers: list[dict]) -> None:
    begun = time.monotonic()
    names = await all_tools(client)
    for server in servers:
        count = sum(name.startswith(f"{server['name']}__") for name in names)
        report("list", server, count >= server["tools"], f"{count} tools", begun)
    for server in servers:
        begun = time.monotonic()
        call = server["call"]
        result = await client.call_tool(f"{server['name']}__{call['tool']}", call["arguments"])
        text = "\n".join(getattr(part, "text", "") for part in result.content)
        report("call", server, not result.is_error and call["answer"] in text, text, begun)
    await ask_for_progress(client, servers[0])


async def all_tools(client: Client) -> list[str]:
    names, cursor = [], None
    while True:
        page = await client.list_tools(cursor=cursor)
        names += [tool.name for tool in page.tools]
        cursor = page.next_cursor
        if cursor is None:
            return names


async def ask_for_progress(client: Client, everything: dict) -> None:
    begun, steps = time.monotonic(), []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    await client.call_tool(
        f"{everything['name']}__trigger-long-running-operation",
        {"duration": 1, "steps": 4},
        progress_callback=on_progress,
    )
    in_order = steps == sorted(steps) and len(steps) >= 3
    report("progress", everything, in_order, f"steps {steps}", begun)


def report(what: str, server: dict, passed: bool, detail: str, begun: float) -> None:
    ms = round((time.monotonic() - begun) * 1000)
    row = {"what": what, "server": server["name"], "passed": passed, "detail": detail, "ms": ms}
    print(json.dumps(row), flush=True)


asyncio.run(main())
