"""A FastAPI app with both mounts in one line; its docs, forms and files are not touched.

OPENAI_API_KEY=… uvicorn --app-dir examples fastapi_app:app
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import openai
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

import guard

app = FastAPI()
guard.install(app, policy=Path(__file__).with_name("policy.yaml"))  # before the first client is made
client = openai.OpenAI(base_url=os.environ.get("OPENAI_BASE_URL"))


class Question(BaseModel):
    question: str


@app.post("/ask")
def ask(body: Question) -> dict[str, str]:
    answer = client.responses.create(model="gpt-5.6-terra", input=body.question)
    return {"answer": answer.output_text}


@app.post("/tell")
def tell(body: Question) -> StreamingResponse:
    """Not named in the policy: the edge does not look, but the model call is guarded all the same."""

    def words() -> Iterator[str]:
        chunks = client.chat.completions.create(
            model="gpt-5.6-terra", messages=[{"role": "user", "content": body.question}], stream=True
        )
        yield from (chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    return StreamingResponse(words(), media_type="text/plain")
