"""FastMCP as its documentation sets it up: a stateless server with a JWT verifier, one tool and one route."""

import os
import sys
import threading

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.dependencies import get_access_token

verifier = JWTVerifier(
    jwks_uri=os.environ["JWKS_URL"], issuer=os.environ["ISSUER"], audience=os.environ["AUDIENCE"], algorithm="RS256"
)
server = FastMCP("bench", auth=verifier)


@server.tool
def whoami() -> str:
    """says who calls"""
    return get_access_token().claims["sub"]


def leave_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=leave_with_parent, daemon=True).start()
app = server.http_app(path="/mcp", stateless_http=True, json_response=True)
uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", access_log=False)
