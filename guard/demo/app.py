"""A small application as a user would have it: one route that asks a model, one that does not."""

from __future__ import annotations

from typing import Any

from guard.guard import Guard
from guard.mounts.asgi import GuardMiddleware
from guard.mounts.sdk import guarded_client


def make_app(guard: Guard, base_url: str) -> Any:
    """Make a Starlette application with both mounts; `/ask` is its own route, named in no API."""
    import openai
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse
    from starlette.routing import Route

    client = openai.AsyncOpenAI(
        base_url=base_url, api_key="sk-demo", http_client=guarded_client(guard=guard), max_retries=0
    )

    async def ask(request: Request) -> JSONResponse:
        question = (await request.json())["question"]
        answer = await client.chat.completions.create(
            model="gpt-demo", messages=[{"role": "user", "content": question}]
        )
        return JSONResponse({"answer": answer.choices[0].message.content})

    async def about(request: Request) -> PlainTextResponse:
        return PlainTextResponse("about this app")

    return Starlette(
        routes=[Route("/ask", ask, methods=["POST"]), Route("/about", about)],
        middleware=[Middleware(GuardMiddleware, guard=guard, inner=True)],
    )
