"""The Python SDK as a client."""

import asyncio
from contextlib import asynccontextmanager

import mcp_types as types
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

from driving import drive


class Sdk:
    cannot = {}

    def __init__(self, client):
        self.client = client
        self.ping = client.send_ping
        self.prompt = client.get_prompt
        self.read = client.read_resource
        self.level = client.set_logging_level
        self.subscribe, self.unsubscribe = client.subscribe_resource, client.unsubscribe_resource

    def capabilities(self):
        return self.client.server_capabilities

    async def call(self, tool, given, on_progress=None):
        return await self.client.call_tool(tool, given, progress_callback=on_progress)

    async def tools(self):
        return (await self.client.list_tools()).tools

    async def prompts(self):
        return (await self.client.list_prompts()).prompts

    async def resources(self):
        return (await self.client.list_resources()).resources

    async def templates(self):
        return (await self.client.list_resource_templates()).resource_templates

    async def complete(self, ref, argument):
        kind = types.PromptReference if ref["type"] == "ref/prompt" else types.ResourceTemplateReference
        return await self.client.complete(kind.model_validate(ref), argument)


@asynccontextmanager
async def connect(session, told):
    answers = session["answers"]

    async def sample(context, params):
        return types.CreateMessageResult.model_validate(answers["sampling"])

    async def elicit(context, params):
        return types.ElicitResult.model_validate(answers["elicitation"][params.mode])

    async def roots(context):
        return types.ListRootsResult.model_validate({"roots": answers["roots"]})

    async with opened(session) as transport:
        async with Client(
            transport,
            mode=session.get("era", "legacy"),
            client_info=types.Implementation(name="narthex-real", version="1.0.0"),
            sampling_callback=sample,
            elicitation_callback=elicit,
            list_roots_callback=roots if "roots" in answers else None,
            message_handler=told,
        ) as client:
            yield Sdk(client)


@asynccontextmanager
async def opened(session):
    if "command" in session:
        yield stdio_client(StdioServerParameters(command=session["command"], args=session["args"], env=session.get("env")))
    elif session["transport"] == "sse":
        yield sse_client(session["url"], headers=session.get("headers"))
    else:
        async with create_mcp_http_client(headers=session.get("headers")) as http:
            yield streamable_http_client(session["url"], http_client=http)


asyncio.run(drive(connect))
