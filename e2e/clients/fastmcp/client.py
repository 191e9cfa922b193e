"""FastMCP's client, on the official Python SDK, on its journey (../README.md)."""

import asyncio
import importlib.metadata
import json
import os
import sys
import time
import traceback
import urllib.request

from fastmcp import Client
from fastmcp.client.auth import OAuth
from key_value.aio.stores.memory import MemoryStore
from mcp.shared.auth import OAuthToken

MCP_URL = os.environ["E2E_MCP_URL"]
DRIVER = os.environ["E2E_LOGIN_URL"]

# The trailing & makes Python's webbrowser module not wait: the callback listens only after the browser was started.
os.environ["BROWSER"] = os.path.join(os.path.dirname(__file__), "..", "lib", "browser.mjs") + " %s &"


def ask(method, path):
    with urllib.request.urlopen(urllib.request.Request(DRIVER + path, method=method)) as answer:
        return json.load(answer)


async def caller(client, tool="whoami"):
    result = await client.call_tool(tool)
    return {"caller": json.loads(result.content[0].text)}


class Traveller:
    """A client with one user."""

    def __init__(self):
        # By itself it looks for a free port when it is made, which others may take until the login.
        self.auth = OAuth(
            token_storage=MemoryStore(), callback_host="127.0.0.1", callback_timeout=120,
            callback_port=int(os.environ["E2E_CALLBACK_PORT"]),
        )

    def client(self):
        return Client(MCP_URL, auth=self.auth)

    async def call(self, tool="whoami"):
        async with self.client() as client:
            return await caller(client, tool)

    async def login(self):
        async with self.client() as client:
            tokens = self.auth.context.current_tokens
            server = {"name": client.server_info.name, "version": client.server_info.version}
            protocol = client.protocol_version
        return {
            "client": {"name": "fastmcp-slim", "version": importlib.metadata.version("fastmcp-slim")},
            "server": server,
            "protocol": protocol,
            "refresh_token": bool(tokens.refresh_token),
            "granted": tokens.scope,
        }

    async def list(self):
        async with self.client() as client:
            return {"tools": [tool.name for tool in await client.list_tools()]}

    async def renew(self):
        # The SDK looks at the expiry that it was told; after a 401 it logs in.
        self.auth.context.token_expiry_time = time.time() - 60
        before = self.auth.context.current_tokens.access_token
        facts = await self.call()
        return {**facts, "renewed": self.auth.context.current_tokens.access_token != before}

    async def bad_token(self):
        other = Traveller()
        other.auth._bind(MCP_URL)
        await other.auth.token_storage_adapter.set_tokens(OAuthToken(access_token="stale", token_type="Bearer"))
        return await other.call()

    async def step_up(self):
        return await self.call("step_up")

    async def restart(self):
        async with self.client() as client:
            await caller(client)
            ask("POST", "restart")
            return await caller(client)


async def main():
    traveller = Traveller()
    steps = {
        "login": traveller.login,
        "list": traveller.list,
        "whoami": traveller.call,
        "renew": traveller.renew,
        "bad token": traveller.bad_token,
        "step-up": traveller.step_up,
        "restart": traveller.restart,
    }
    foretold = os.environ["E2E_FAILS"].split(",")
    for step in os.environ["E2E_STEPS"].split(","):
        before = ask("GET", "count")
        try:
            facts = {"ok": True, **await steps[step]()}
        except Exception as error:  # whatever it is, the driver wants to know
            traceback.print_exc()
            facts = {"ok": False, "error": str(error)}
        after = ask("GET", "count")
        counts = {name: after[name] - before[name] for name in ("logins", "refused")}
        print(json.dumps({"step": step, **counts, **facts}), flush=True)
        if not facts["ok"] and step not in foretold:
            return 1
    return 0


sys.exit(asyncio.run(main()))
