"""The command line: one verb a job; exit codes 0 ok, 1 found or refused, 2 usage or bad file."""

from __future__ import annotations

import sys
from typing import Any

import typer

from guard import __version__
from guard.audit.cells import cell
from guard.cli.language import HELP, language, problems, spoken, told
from guard.errors import BadRequest, GuardError, PolicyError, Refused

app = typer.Typer(
    name="guard",
    help="Compliance and safety middleware for applications that call large language models.\n\n"
    "Start with:  guard demo",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": HELP},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"guard {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    """Hold a model application to its policy."""


def _verbs() -> None:
    from guard.cli import (
        audit,
        breakglass,
        coverage,
        demo,
        doctor,
        init,
        keys,
        letters,
        migrate,
        policy,
        reveal,
        scan,
        serve,
        why,
    )

    app.command("demo")(demo.demo)
    app.command("init")(init.init)
    app.command("serve")(serve.serve)
    app.command("scan")(scan.scan)
    app.command("redact")(scan.redact)
    app.command("coverage")(coverage.coverage)
    app.command("reveal")(reveal.reveal)
    app.command("why")(why.why)
    app.command("break-glass")(breakglass.break_glass)
    app.command("doctor")(doctor.doctor)
    app.add_typer(policy.app, name="policy")
    app.add_typer(keys.app, name="keys")
    app.add_typer(audit.app, name="audit")
    app.add_typer(letters.app, name="letters")
    app.add_typer(migrate.app, name="migrate")


def _line(failure: GuardError) -> str:
    """An error in one line. What is wrong with the language itself is said in English."""
    try:
        return told(f"guard: {failure}")
    except GuardError:
        return f"guard: {failure}"


def _shown(failure: Any) -> int:
    """Wrong usage, as the pages of help look."""
    if language() == "en":
        failure.show()
        return int(failure.exit_code)
    if context := getattr(failure, "ctx", None):
        print(context.get_usage().replace("Usage:", told("Usage:"), 1), file=sys.stderr)
        print(told(f"Try {context.command_path} --help"), end="\n\n", file=sys.stderr)
    print(f"{told('Error')}：{told(failure.format_message())}", file=sys.stderr)
    return int(failure.exit_code)


def run() -> int:
    """Run the command line and return its exit code; an error of guard is one clear line."""
    _verbs()
    code, left_out = _run(), _left_out()
    return code or left_out


def _left_out() -> int:
    """Say which lines an answer was made without, because they are too long to be records; 1 where there are any."""
    from guard.audit.overlong import taken

    lines = taken()
    for line in lines:
        count, file, size = line.line, cell(line.file), line.bytes
        print(
            told(f"left out: line {count} of {file}, {size} bytes, too long to be a record"), file=sys.stderr
        )
    return 1 if lines else 0


def _run() -> int:
    try:
        result = spoken(typer.main.get_command(app))(standalone_mode=False)
        return result if isinstance(result, int) else 0
    except typer.Exit as stop:
        return int(stop.exit_code)
    except typer.Abort:
        print(told("stopped"), file=sys.stderr)
        return 130
    except KeyboardInterrupt:
        print(told("stopped"), file=sys.stderr)
        return 130
    except PolicyError as failure:
        print(problems(failure), file=sys.stderr)
        return 2
    except (Refused, BadRequest) as failure:
        print(f"guard: {failure.code}: {told(failure.message)}", file=sys.stderr)
        return 1
    except GuardError as failure:
        print(_line(failure), file=sys.stderr)
        return 2
    except Exception as failure:
        if hasattr(failure, "exit_code") and hasattr(failure, "show"):
            return _shown(failure)
        raise
