"""`guard init`: three questions, then a commented policy, its schema for editors, `.env`, and what to add."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from guard.cli.language import told
from guard.cli.tables import console
from guard.errors import SetupError

T = TypeVar("T")

_POLICY, _SCHEMA, _ENV = "guard.yaml", "guard.schema.json", ".env"

_PEOPLE = {
    "replace": ("default", "people are replaced by <EMAIL_1> and come back in the answer; a key is refused"),
    "refuse": ("strict", "a request with personal data or a key is refused"),
    "observe": ("observe", "nothing is changed yet: the trace says what would have been"),
}
_MOUNTS = {
    "app": (
        "from guard import install",
        "# the app's edge, and every OpenAI client made afterwards",
        "install(app, policy='guard.yaml')",
    ),
    "client": (
        "from guard import guarded_client",
        "client = openai.OpenAI(http_client=guarded_client(policy='guard.yaml', sync=True))",
    ),
    "gateway": (
        "guard serve --policy guard.yaml --port 8080",
        "OPENAI_BASE_URL=http://127.0.0.1:8080/v1 python your_program.py",
    ),
}

_NEXT = (
    (f"guard policy test {_POLICY}", "what it does, shown by its cases"),
    ("guard doctor", "whether everything is there and may be reached"),
    ("guard audit query --list", "what the trace can be asked"),
)


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write; the current folder if left out.")] = Path(),
    where: Annotated[
        str, typer.Option(help="Where calls may go: any, eu, or countries and groups, such as EEA,CH.")
    ] = "",
    people: Annotated[
        str, typer.Option(help="What becomes of personal data: replace, refuse or observe.")
    ] = "",
    mount: Annotated[str, typer.Option(help="How the model is called: app, client or gateway.")] = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="Take any, replace and app where nothing else is said.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a guard.yaml that is there.")] = False,
) -> None:
    """Start with guard: asks three questions and writes a policy that explains itself.

    Nothing is written over without --force; an `.env` that exists is left as it is, and what it lacks is shown.

    Example:  guard init --where eu --people replace --mount gateway
    """
    target = folder / _POLICY
    if target.exists() and not force:
        raise SetupError(f"{target} is there already: --force writes over it")
    places = _answer("Where may calls go? any, eu, or places such as EEA,CH", where, "any", yes, _places)
    pack = _answer(_choices("Personal data", _PEOPLE), people, "replace", yes, _one_of(_PEOPLE, "people"))
    asked = "How is the model called? app, client or gateway"
    lines = _answer(asked, mount, "app", yes, _one_of(_MOUNTS, "mount"))
    _write(folder, pack, places)
    _tell(folder, lines)


def _choices(question: str, choices: Mapping[str, tuple[str, str]]) -> str:
    listed = "".join(f"\n  {word}: {told(about)}" for word, (_, about) in choices.items())
    return f"{told(question)}{listed}\n  {told('your choice')}"


def _answer(question: str, given: str, default: str, yes: bool, meant: Callable[[str], T]) -> T:
    """What an answer means. At a terminal a wrong one is told, and asked for again."""
    if given or yes:
        return meant(given or default)
    if not sys.stdin.isatty():
        raise SetupError(
            "guard init asks three questions: answer them with --where, --people and --mount, or --yes"
        )
    while True:
        try:
            return meant(str(typer.prompt(told(question), default=default)))
        except SetupError as wrong:
            typer.echo(told(str(wrong)))


def _one_of(choices: Mapping[str, T], option: str) -> Callable[[str], T]:
    def meant(word: str) -> T:
        found = choices.get(word.strip().lower())
        if found is None:
            raise SetupError(f"--{option} {word[:40]!r} is not known: write one of {', '.join(choices)}")
        return found

    return meant


def _places(text: str) -> tuple[str, ...]:
    """The jurisdictions meant; none for `any`. Raises SetupError for a place that guard does not know."""
    from guard.policy.names import JURISDICTIONS

    text = text.strip()
    if text.lower() == "any":
        return ()
    found = ("EEA", "CH") if text.lower() == "eu" else tuple(filter(None, re.split(r"[\s,]+", text.upper())))
    for place in found:
        if place not in JURISDICTIONS:
            raise SetupError(
                f"--where {place[:40]!r} is no place: write any, eu, or codes of countries and groups such as EEA,CH"
            )
    return found


def _write(folder: Path, pack: tuple[str, str], places: tuple[str, ...]) -> None:
    from guard.policy.schema import json_schema

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _SCHEMA).write_text(json.dumps(json_schema(), indent=1) + "\n", "utf-8")
        (folder / _POLICY).write_text(_policy(folder, pack, places), "utf-8")
        if not (folder / _ENV).exists():
            (folder / _ENV).write_text(_environment(), "utf-8")
            (folder / _ENV).chmod(0o600)
    except OSError as error:
        raise SetupError(f"{folder} cannot be written: {error.strerror}") from None


def _policy(folder: Path, pack: tuple[str, str], places: tuple[str, ...]) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.resolve().name).strip("-._")[:64] or "policy"
    base, about = pack
    action = {"default": "redact", "strict": "block", "observe": "allow"}[base]
    inside = told("all places of a destination must be inside")
    where = f"\negress:\n  jurisdictions: [{', '.join(places)}]     # {inside}\n" if places else ""
    return f"""\
# yaml-language-server: $schema={_SCHEMA}
# {told("What this application may send to a model, and what may come back.")}
# {told("After each change:")} guard policy check {_POLICY}
policy: {name}
version: "1"
{f"extends: [{base}]":<26}# {told(about)}
owner: ""                 # {told("who answers for it, for the officer and the auditor")}

# {told("Rules are `kind pattern: action`; the most specific pattern wins; allow < flag < redact < block.")}
# {told("What is in force, and where each line comes from:")} guard policy show {_POLICY} --why
input:
  rules:
    secret.*: block       # {told("a pasted key is refused, so that its owner learns of it")}
{where}
# {told("What must come out. Add your own cases before you change a rule:")} guard policy test {_POLICY}
tests:
- name: {told("an address")}
  input: "Write to jo.weber@kontor-nord.org please."
  expect: {{action: {action}, kinds: [pii.email]}}
- name: {told("a pasted key")}
  input: "key AKIAQ3EGRZ7WT5LNVHYB"
  expect: {{action: {"allow" if base == "observe" else "block"}, kinds: [secret.aws_key]}}
"""


def _environment() -> str:
    return f"""\
# {told("Read by guard in the folder where the program starts; keep it out of version control.")}
GUARD_POLICY={_POLICY}
# {told("The gateway's key at the provider; else OPENAI_API_KEY.")}
# GUARD_UPSTREAM_KEY=
# {told("Where traces are written, and where the keys live (made at the first start).")}
# GUARD_EXPORTS=guard-exports
# GUARD_HOME=~/.guard
"""


def _tell(folder: Path, lines: Sequence[str]) -> None:
    from rich.text import Text

    out = console()
    out.print(Text(told(f"wrote {folder / _POLICY} and {_SCHEMA} (for editors)")))
    env = folder / _ENV
    if "GUARD_POLICY" not in env.read_text("utf-8", "replace"):
        out.print(Text(told(f"{env} was left as it is; add: GUARD_POLICY={_POLICY}")))
    out.print(Text("\n" + told("add to your program:" if "import" in lines[0] else "run:"), "bold"))
    for line in lines:
        out.print(Text(told(line)), soft_wrap=True)
    out.print(Text("\n" + told("then:"), "bold"))
    for verb, about in _NEXT:
        out.print(Text(f"{verb:<30} # {told(about)}"))
