"""FastMCP's client."""

import asyncio
from contextlib import asynccontextmanager

import mcp_types as types
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport

from driving import drive


class FastMcp:
    cannot = {}

    def __init__(self, client):
        self.client = client
        self.ping = client.ping
        self.tools, self.prompts = client.list_tools, client.list_prompts
        self.resources, self.templates = client.list_resources, client.list_resource_templates
        self.prompt = client.get_prompt
        self.read = client.read_resource
        self.level = client.set_logging_level
        # It has no method for these; its session has.
        self.subscribe, self.unsubscribe = client.session.subscribe_resource, client.session.unsubscribe_resource

    def capabilities(self):
        return self.client.server_capabilities

    async def call(self, tool, given, on_progress=None):
        return await self.client.call_tool_mcp(tool, given, progress_handler=on_progress)

    async def complete(self, ref, argument):
        kind = types.PromptReference if ref["type"] == "ref/prompt" else types.ResourceTemplateReference
        return await self.client.complete(kind.model_validate(ref), argument)


@asynccontextmanager
async def connect(session, told):
    answers = session["answers"]

    async def sample(messages, params, context):
        return types.CreateMessageResult.model_validate(answers["sampling"])

    async def elicit(message, response_type, params, context):
        answer = answers["elicitation"][params.mode]
        return ElicitResult(action=answer["action"], content=answer.get("content"))

    async with Client(
        opened(session),
        mode=session.get("era", "legacy"),
        client_info=types.Implementation(name="narthex-real", version="1.0.0"),
        sampling_handler=sample,
        elicitation_handler=elicit,
        roots=[types.Root.model_validate(root) for root in answers["roots"]] if "roots" in answers else None,
        message_handler=told,
    ) as client:
        yield FastMcp(client)


def opened(session):
    if "command" in session:
        return StdioTransport(session["command"], session["args"], env=session.get("env"), keep_alive=False)
    transport = SSETransport if session["transport"] == "sse" else StreamableHttpTransport
    return transport(session["url"], headers=session.get("headers"))


asyncio.run(drive(connect))
