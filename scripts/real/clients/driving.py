"""The steps that every client is driven through, for the clients written for Python.

The same words and the same lines as driving.mjs, which says what they are.
"""

import asyncio
import json
import sys
import time
import traceback

STEP_WITHIN_SECONDS = 60

# What a server has to declare for a step to be possible.
NEEDED = {
    "prompts": "prompts",
    "prompt": "prompts",
    "resources": "resources",
    "templates": "resources",
    "read": "resources",
    "refused": "resources",
    "subscribe": "resources.subscribe",
    "complete": "completions",
    "level": "logging",
}


class Impossible(Exception):
    """Says of a step that it cannot be done."""


class Steps:
    """One method a step; each returns what is told of it, or raises."""

    def __init__(self, client, heard):
        self.client, self.heard = client, heard

    async def tools(self, step):
        return named(await self.client.tools(), "name", step.get("has", []), step.get("least", 0))

    async def call(self, step):
        return holds(await self.client.call(step["tool"], step["arguments"]), step["answer"])

    sampling = elicitation = call

    async def roots(self, step):
        # A server asks for roots when it likes: called until it has them.
        until = time.monotonic() + STEP_WITHIN_SECONDS / 2
        while True:
            try:
                return await self.call(step)
            except AssertionError:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(0.05)

    async def prompts(self, step):
        return named(await self.client.prompts(), "name", step.get("has", []))

    async def prompt(self, step):
        return holds(await self.client.prompt(step["name"], step.get("arguments")), step["answer"])

    async def resources(self, step):
        return named(await self.client.resources(), "uri", step.get("has", []))

    async def templates(self, step):
        return named(await self.client.templates(), "uriTemplate", step.get("has", []))

    async def read(self, step):
        return holds(await self.client.read(step["uri"]), step["answer"])

    async def complete(self, step):
        return holds(await self.client.complete(step["ref"], step["argument"]), step["answer"])

    async def level(self, step):
        await self.client.level(step["level"])
        return step["level"]

    async def ping(self, step):
        await self.client.ping()
        return ""

    async def refused(self, step):
        try:
            await self.client.read(step["uri"])
        except Exception as error:
            return holds(str(error), step["answer"])
        raise AssertionError(f"{step['uri']} was read")

    async def progress(self, step):
        seen = []

        async def on_progress(progress, total, message):
            seen.append(progress)

        await self.client.call(step["tool"], step["arguments"], on_progress)
        if len(seen) < step["least"] or seen != sorted(set(seen)):
            raise AssertionError(f"progress {seen}")
        return f"{len(seen)} in order"

    async def cancel(self, step):
        begun, going = time.monotonic(), asyncio.Event()

        async def on_progress(progress, total, message):
            going.set()

        call = asyncio.ensure_future(self.client.call(step["tool"], step["arguments"], on_progress))
        await going.wait()
        call.cancel()
        try:
            await call
            raise AssertionError("it was answered")
        except asyncio.CancelledError:
            pass
        await self.client.ping()
        return f"{round((time.monotonic() - begun) * 1000)} ms, and a ping after it"

    async def subscribe(self, step):
        await self.client.subscribe(step["uri"])
        await self.client.call(step["tool"], {})
        await self.heard("notifications/resources/updated", lambda params: params["uri"] == step["uri"])
        await self.client.call(step["tool"], {})
        await self.client.unsubscribe(step["uri"])
        return "updated"

    async def log(self, step):
        await self.client.call(step["tool"], {})
        params = await self.heard("notifications/message", lambda params: step["has"] in params["data"])
        await self.client.call(step["tool"], {})
        return params["level"]


class Heard:
    """Notifications that came since the session began and were not waited for yet."""

    def __init__(self):
        self.notices, self.changed = [], asyncio.Condition()

    async def told(self, message):
        """Takes a notification of the SDK's."""
        if isinstance(message, Exception) or not hasattr(message, "method"):
            return
        async with self.changed:
            self.notices.append(plain(message))
            self.changed.notify_all()

    async def __call__(self, method, fits):
        async with self.changed:
            while True:
                for notice in self.notices:
                    if notice["method"] == method and fits(notice["params"]):
                        self.notices.remove(notice)
                        return notice["params"]
                await self.changed.wait()


async def drive(connect):
    """Drives sessions until standard input ends. `connect(session, told)` makes a client."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        error = None
        try:
            await run(connect, json.loads(line))
        except Exception:
            error = traceback.format_exc()
        say({"done": True, "error": error})


async def run(connect, session):
    heard = Heard()
    async with connect(session, heard.told) as client:
        steps, declared, offered = Steps(client, heard), plain(client.capabilities()), None
        for number, step in enumerate(session["steps"]):
            begun = time.monotonic()
            state, detail = "passed", ""
            try:
                possible(client, declared, step)
                if step.get("optional"):
                    offered = offered or [tool["name"] for tool in plain(await client.tools())]
                    if step["tool"] not in offered:
                        raise Impossible(f"server: {step['optional']}")
                detail = await asyncio.wait_for(getattr(steps, step["do"])(step), STEP_WITHIN_SECONDS)
            except Impossible as error:
                state, detail = "none", str(error)
            except (Exception, asyncio.CancelledError) as error:
                state, detail = "failed", f"{type(error).__name__}: {error}"
            ms = round((time.monotonic() - begun) * 1000)
            say({"step": number, "state": state, "detail": detail, "ms": ms})


def possible(client, declared, step):
    if unable := client.cannot.get(step["do"]):
        raise Impossible(f"client: {unable}")
    if path := NEEDED.get(step["do"]):
        found = declared
        for name in path.split("."):
            found = (found or {}).get(name)
        if found is None or found is False:
            raise Impossible(f"server: declares no {path}")


def plain(value):
    """Returns what the SDK made of a message as it stands on the wire."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.model_dump(by_alias=True, mode="json", exclude_none=True) if hasattr(value, "model_dump") else value


def named(items, key, has, least=0):
    names = [item[key] for item in plain(list(items))]
    missing = [name for name in has if name not in names]
    if missing:
        raise AssertionError(f"{', '.join(missing)} is not among {', '.join(names)}")
    if len(names) < least:
        raise AssertionError(f"{len(names)}, fewer than {least}")
    return str(len(names))


def holds(answer, text):
    whole = json.dumps(plain(answer), ensure_ascii=False, separators=(",", ":")).replace('\\"', '"')
    if text not in whole:
        raise AssertionError(f"answered {whole}, without {text}")
    return text


def say(row):
    print(json.dumps(row), flush=True)
