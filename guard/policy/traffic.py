"""What a policy says of the traffic around model calls: retries. Part of the tree of `guard.policy.model`."""

from __future__ import annotations

from pydantic import Field

from guard.policy import fields
from guard.policy.fields import Node


class Retries(Node):
    """When a call that failed is tried again: 408, 409, 429, 5xx and failed connections, before the first byte."""

    attempts: int = Field(
        default=1,
        ge=1,
        le=10,
        description="how often a call is tried at most, the first time included; 1: once",
    )
    max_wait_s: float = Field(
        default=60.0,
        gt=0,
        le=600,
        description="longest wait between two tries, whatever the provider asks for",
    )
    deadline_s: float = Field(
        default=600.0, gt=0, le=3600, description="all tries and waits together, until the answer has begun"
    )


class Traffic(Node):
    """What surrounds a model call."""

    retries: Retries = Field(default=Retries(), description="when a failed call is tried again")
    limits: fields.Unbuilt = ()
    fallbacks: fields.Unbuilt = ()
    budget: fields.Unbuilt = ()
    dead_letters: fields.Unbuilt = ()
