"""Law 2, past the mapped endpoints: whatever else the SDK offers is refused by name, and its types say so."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import openai as sdk
import openai.types
import pytest
import sdk_kit as walk
from openai.types.beta import beta_response_input_item_param, beta_response_item
from openai.types.responses import ResponseInputAudio, response_input_item_param, response_item

from guard.policy import names
from guard.wire import nodes
from guard.wire.coverage import coverage
from guard.wire.openai import endpoint
from guard.wire.positions import responses

# Unions that other endpoints read out and whose members are sent back as input items.
TWINS = {
    "ResponseItem": (response_item.ResponseItem, responses.ITEM),
    "ResponseInputItemParam": (response_input_item_param.ResponseInputItemParam, responses.ITEM),
    "BetaResponseItem": (beta_response_item.BetaResponseItem, responses.ITEM),
    "BetaResponseInputItemParam": (beta_response_input_item_param.BetaResponseInputItemParam, responses.ITEM),
    "ResponseInputAudio": (ResponseInputAudio, responses.PART),
}

# Modules of `openai.types` beside the mapped ones: a pattern of their names, and whose they are.
FAMILIES = {
    r"beta\.(agent|environment|hosted|inline|input_content|mcp_transport|multi_agent)": "agents",
    r"beta\.(output_text|persisted|session|setup|subagent|summary|text|token|web_search)": "agents",
    r"beta\.(code_interpreter|file_search|function_tool)": "agents",
    r"beta\.(assistant|response_format)": "assistants",
    r"beta\.realtime|realtime": "realtime",
    r"beta\.chatkit": "chatkit",
    r"beta\.thread": "threads",
    r"admin": "organization",
    r"audio": "audio",
    r"batch": "batches",
    r"container": "containers",
    r"content_provenance": "content_provenance_checks",
    r"conversations": "conversations",
    r"decision|shared(_params)?\.decision": "decisions",
    r"eval|graders": "evals",
    r"file_": "files",
    r"fine_tuning": "fine_tuning",
    r"image": "images",
    r"live": "live",
    r"model_deleted": "models",
    r"safety": "safety",
    r"skill|deleted_skill": "skills",
    r"upload": "uploads",
    r"vector_store|(auto|static|other)_file_chunking": "vector_stores",
    r"video": "videos",
    r"webhooks\.": "webhook_endpoints",
}
# What belongs to other calls at a mapped endpoint's path: each of these is another endpoint, refused.
OTHER_CALLS = {
    r"(beta|responses)\.(response_compact_params|(beta_)?compacted_response)": "/responses/compact",
    r"(beta\.)?responses\.input_token_count": "/responses/input_tokens",
    r"(beta\.)?responses\.(input_item_list_params|(beta_)?response_item_list)": "/responses/resp_1/input_items",
    r"(beta\.)?responses\.response_retrieve_params": "/responses/resp_1",
    r"chat\.(chat_completion_store_message|completions\.message_list_params)": "/chat/completions/c_1/messages",
    r"chat\.(completion_update_params|chat_completion_deleted)": "/chat/completions/c_1",
}
# Messages of websockets, which are closed unread (test_asgi_paths, test_gateway, test_client).
SOCKETS = (
    r"(responses\.|beta\.beta_)(response_(steer|inject)|responses_(client|server)_event)|websocket_connection"
)
# No bodies: the SDK's own parsing results, query parameters, bases, and classes that only reserve a keyword.
NO_BODY = r"(responses|chat)\.parsed_|chat\.completion_list_params|\._\w+ReservedKeywords$|\.\w+ParamsBase$"


def shapes() -> Iterator[tuple[str, Any]]:
    """Every model and TypedDict of the SDK's types, by module and name."""
    for found in pkgutil.walk_packages(sdk.types.__path__, "openai.types."):
        module = importlib.import_module(found.name)
        for name, kind in vars(module).items():
            if inspect.isclass(kind) and kind.__module__ == found.name and walk.is_shape(kind):
                yield f"{found.name.removeprefix('openai.types.')}.{name}", kind


def below(kind: Any, seen: set[Any]) -> set[Any]:
    """Every shape that a type leads to."""
    for member in walk.members(kind):
        if walk.is_shape(member) and member not in seen:
            seen.add(member)
            for field in walk.fields(member).values():
                below(field, seen)
        elif get_origin(member) is not None:
            for argument in get_args(member):
                below(argument, seen)
    return seen


def carries_text(shape: Any) -> bool:
    return any(str in walk.members(field) or walk.is_shape(field) for field in walk.fields(shape).values())


def structure(shape: Any) -> str:
    """A shape as its fields: the SDK writes many twice, for requests and for answers."""
    return repr(sorted(name for name in walk.fields(shape)))


@pytest.fixture(scope="module")
def mapped() -> set[Any]:
    """The shapes that the comparison with the map walks."""
    seen: set[Any] = set()
    for _, shape, _ in walk.CASES:
        below(shape, seen)
    for union, _ in TWINS.values():
        below(union, seen)
    return seen


@pytest.mark.parametrize("name", TWINS)
def test_items_that_other_endpoints_read_out_are_mapped(name: str) -> None:
    """B17: what `GET /responses/ID/input_items` gives can be sent as input: each field of it has a place."""
    gaps = walk.Gaps()
    gaps.compare(*TWINS[name], name)
    assert gaps.found == []


def test_every_type_of_the_sdk_is_mapped_or_belongs_to_what_is_refused(mapped: set[Any]) -> None:
    """B20: a new type of the SDK that carries text fails here until the map or the list of refusals names it."""
    known = {structure(shape) for shape in mapped}
    families = re.compile("|".join(f"(?:{pattern})" for pattern in (*FAMILIES, *OTHER_CALLS, SOCKETS)))
    left = [
        name
        for name, shape in shapes()
        if shape not in mapped
        and not families.match(name)
        and not re.search(NO_BODY, name)
        and carries_text(shape)
        and structure(shape) not in known
    ]
    assert not left, "\n".join(left)


def test_every_family_is_refused_by_name() -> None:
    """B20: the names that types belong to are those that a policy can allow; other calls are other endpoints."""
    assert set(FAMILIES.values()) <= names.ENDPOINTS
    assert [path for path in OTHER_CALLS.values() if endpoint("POST", f"/v1{path}") is not None] == []


def paths() -> list[str]:
    """Every path that a resource of the SDK calls, as the source writes it."""
    folder = Path(str(sdk.__file__)).parent / "resources"
    trees = (ast.parse(file.read_text("utf-8")) for file in folder.rglob("*.py"))
    texts = {n.value for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Constant)}
    return sorted(t for t in texts if isinstance(t, str) and re.fullmatch(r"/[a-z_]+(?:/[\w{}]+)*(\?.*)?", t))


def test_every_path_of_the_sdk_is_mapped_or_refused_by_name() -> None:
    """B20: a resource that the SDK gains is either read by the map or in the list of what a policy can allow."""
    found = {path.partition("?")[0] for path in paths()}
    assert len(found) > 150
    first = {path.split("/")[1] for path in found if endpoint("POST", f"/v1{path}") is None}
    assert first - names.ENDPOINTS <= {"chat", "responses"}


def test_the_table_lists_what_is_refused() -> None:
    """`guard coverage` names each endpoint that is refused, and the line of a policy that would let it pass."""
    rows = {row.endpoint: row.treatment for row in coverage() if row.path == "the whole endpoint"}
    assert set(rows) == names.ENDPOINTS - {"models", "moderations"}
    assert rows["files"] == "refused: guard.opaque.endpoint (endpoints: {allow: [files]})"


@pytest.mark.parametrize(
    ("name", "shape", "place"), walk.CASES[:4], ids=["chat", "chat", "responses", "responses"]
)
def test_the_walk_misses_no_field_that_the_map_loses(name: str, shape: Any, place: nodes.Object) -> None:
    """The walk can fail: a map without one of its fields, whichever, lacks something of the SDK's types."""
    for lost in set(place.fields) & set(walk.fields(shape)):
        less = nodes.Object({field: kept for field, kept in place.fields.items() if field != lost})
        gaps = walk.Gaps()
        gaps.compare(shape, less, name)
        assert [gap for gap in gaps.found if gap.startswith(f"{name}.{lost} ")], lost
