"""A Starlette app with both mounts by hand: its edge is screened, and so is its model call.

OPENAI_API_KEY=… uvicorn --app-dir examples starlette_app:app
curl localhost:8000/ask -d '{"question": "Write to ann@corp.org"}'
"""

from __future__ import annotations

import os
from pathlib import Path

import openai
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from guard import Guard, GuardMiddleware, Identity, guarded_client

guard = Guard.from_policy(Path(__file__).with_name("policy.yaml"))
base_url = os.environ.get("OPENAI_BASE_URL")
client = openai.AsyncOpenAI(base_url=base_url, http_client=guarded_client(guard=guard, base_url=base_url))


async def ask(request: Request) -> JSONResponse:
    question = (await request.json())["question"]
    answer = await client.chat.completions.create(
        model="gpt-5.6-terra", messages=[{"role": "user", "content": question}]
    )
    return JSONResponse({"answer": answer.choices[0].message.content})


def identify(scope: dict[str, object]) -> Identity:
    return Identity(tenant="acme", user="who the session says")


app = Starlette(
    routes=[Route("/ask", ask, methods=["POST"])],
    middleware=[Middleware(GuardMiddleware, guard=guard, identify=identify, inner=True)],
)
