"""Which policy would decide each exchange on record: with what is attached to its tenant, key, path and model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from guard.attached import Combinations, Key
from guard.policy.attach import NOBODY, Asked, names
from guard.policy.model import Policy
from guard.wire.openai import PATHS

# What is known of an exchange: its own spans have it, the model only where one was asked. `inside` says that an
# application's route led to it, whose path is not on record.
_WHOSE = """
CREATE TEMP TABLE whose AS
SELECT trace_id, exchange, max(tenant) AS tenant, max(endpoint) AS endpoint, max(mount) AS mount,
  coalesce(max(attrs['guard.model.asked']), max(attrs['gen_ai.request.model'])) AS model,
  max(attrs['guard.client_key']) AS key, max(attrs['guard.client_key.name']) AS key_name,
  max(attrs['guard.policy.asked']) AS asked,
  bool_or(mount = 'client') AND bool_or(bool_or(mount = 'edge')) OVER (PARTITION BY trace_id) AS inside
FROM decisions
GROUP BY trace_id, exchange
"""
_COLUMNS = "tenant, endpoint, mount, model, key, key_name, asked, inside"
_UNDER = f"""
CREATE TEMP TABLE under AS
SELECT w.trace_id, w.exchange, g.under
FROM whose w JOIN asked g ON {" AND ".join(f"w.{c} IS NOT DISTINCT FROM g.{c}" for c in _COLUMNS.split(", "))}
"""
_ALL = "CREATE TEMP TABLE under AS SELECT DISTINCT trace_id, exchange, 0 AS under FROM decisions"


def under(connection: duckdb.DuckDBPyConnection, policy: Policy) -> list[Policy]:
    """Make the table `under`: for each exchange the number of the policy that would decide it; gives the policies.

    As for a request, what is not known counts as met; exceptions hold as they do today.
    """
    if not policy.attach and not policy.exceptions:
        connection.execute(_ALL)
        return [policy]
    means = Combinations(policy)
    connection.execute(_WHOSE)
    asked = connection.execute(f"SELECT DISTINCT {_COLUMNS} FROM whose ORDER BY ALL").fetchall()
    keys = [means.key(_asked(row, means, policy)) for row in _rows(asked)]
    numbers: dict[Key, int] = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    connection.execute(
        "CREATE TEMP TABLE asked (tenant TEXT, endpoint TEXT, mount TEXT, model TEXT, key TEXT, key_name TEXT,"
        " asked TEXT, inside BOOLEAN, under INT)"
    )
    if asked:
        rows = [(*row, numbers[key]) for row, key in zip(asked, keys, strict=True)]
        connection.executemany("INSERT INTO asked VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.execute(_UNDER)
    return [means.policy(key) for key in numbers] or [policy]


def _rows(found: list[Any]) -> Iterator[Mapping[str, Any]]:
    return (dict(zip(_COLUMNS.split(", "), row, strict=True)) for row in found)


def _asked(row: Mapping[str, Any], means: Combinations, policy: Policy) -> Asked:
    """The request as the record knows it."""
    path = PATHS.get(row["endpoint"])
    known = {*names(policy.attach)}
    return Asked(
        row["tenant"] or "default",
        None if path is None or row["inside"] else (path,),
        means.candidates("", row["model"]),
        tuple(name for name in json.loads(row["asked"] or "[]") if name in known),
        _keys(row),
    )


def _keys(row: Mapping[str, Any]) -> tuple[str, ...] | None:
    """What its virtual key is called; a gateway's tenant without one has a listed key, which is none of them."""
    if row["key"]:
        return tuple(filter(None, (row["key"], row["key_name"])))
    return () if row["mount"] == "gateway" and (row["tenant"] or "") not in NOBODY else None
