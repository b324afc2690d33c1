"""The house: which files stand where, what may be imported, how long a function may be, what is public."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import guard

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "guard"
MODULES = sorted(PACKAGE.rglob("*.py"))
TREES = {file: ast.parse(file.read_text()) for file in MODULES}

# Each costs between 0.1 and 2.5 seconds of CPU at import (measured); `import guard` costs nothing.
HEAVY = {
    "genai_prices",
    "aiohttp",
    "cryptography",
    "duckdb",
    "faker",
    "fastapi",
    "httpx2",
    "numpy",
    "openai",
    "opentelemetry",
    "phonenumbers",
    "presidio_analyzer",
    "presidio_anonymizer",
    "pydantic",
    "pydantic_settings",
    "re2",
    "rich",
    "spacy",
    "starlette",
    "stdnum",
    "typer",
    "uvicorn",
    "yaml",
}


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def loaded_by(statement: str) -> set[str]:
    """The top-level modules of a fresh interpreter after one statement."""
    code = f"import sys\n{statement}\nprint(*{{m.partition('.')[0] for m in sys.modules}})"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return set(ran.stdout.split())


@pytest.mark.parametrize("statement", ["import guard", "from guard import Identity, Finding, Refused"])
def test_importing_guard_loads_nothing_heavy(statement: str) -> None:
    """The words are dataclasses; pydantic, numpy, the SDK and Presidio wait for their first use."""
    assert not loaded_by(statement) & HEAVY


def test_the_public_api_is_what_one_sees() -> None:
    """`dir(guard)`, `__all__` and the names told to type checkers are one list, and each can be had."""
    assert [n for n in dir(guard) if not n.startswith("_")] == guard.__all__
    assert told_to_type_checkers() == set(guard.__all__)
    for public in guard.__all__:
        assert getattr(guard, public) is not None


def told_to_type_checkers() -> set[str]:
    block = next(node for node in TREES[PACKAGE / "__init__.py"].body if isinstance(node, ast.If))
    return {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_the_public_api_holds_the_interface() -> None:
    """The names of the fixed interface; one more is a decision, one fewer breaks somebody."""
    assert {
        "Finding",
        "Guard",
        "GuardError",
        "GuardMiddleware",
        "Identity",
        "Policy",
        "PolicyError",
        "Refused",
        "Unavailable",
        "guarded_client",
        "identity",
        "install",
        "install_log_redaction",
        "load_policy",
        "uninstall",
    } <= set(guard.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The lazy package behaves as a package: `hasattr` and `from guard import nope` work as everywhere."""
    assert not hasattr(guard, "nope")


@pytest.mark.parametrize(
    "file", [f for f in MODULES if f.name == "__init__.py" and f.parent != PACKAGE], ids=name
)
def test_a_folder_holds_its_law_and_re_exports_nothing(file: Path) -> None:
    """The `__init__` of a floor is one docstring."""
    assert ast.get_docstring(TREES[file])
    assert len(TREES[file].body) == 1


@pytest.mark.parametrize("file", MODULES, ids=name)
def test_a_module_says_what_it_is_and_is_called_by_a_word_of_the_field(file: Path) -> None:
    """No `utils`, no `Manager`: a name that says nothing hides what belongs elsewhere."""
    assert ast.get_docstring(TREES[file])
    assert not re.search(r"util|helper|common|misc|manager", file.stem)
    for node in ast.walk(TREES[file]):
        if isinstance(node, ast.ClassDef):
            assert not re.search(r"(Util|Utils|Helper|Manager|Impl|Base)$", node.name), node.name


def functions() -> Iterator[tuple[str, int]]:
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield (
                    f"{name(file)}:{node.lineno} {node.name}",
                    (node.end_lineno or node.lineno) - node.lineno + 1,
                )


def test_functions_are_short() -> None:
    """At most 60 lines, nine in ten within 30, half within 10: what the best codebases of the field keep."""
    lengths = dict(functions())
    assert not {where: n for where, n in lengths.items() if n > 60}
    assert statistics.quantiles(lengths.values(), n=10)[-1] <= 30
    assert statistics.median(lengths.values()) <= 10


def public_definitions() -> Iterator[tuple[str, ast.AST]]:
    for file, tree in TREES.items():
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if node.name[0] != "_" and "overload" not in [ast.unparse(d) for d in node.decorator_list]:
                yield f"{name(file)}: {node.name}", node


def test_public_names_are_documented() -> None:
    """Every public class and function of a module says in a sentence what it does."""
    bare = [where for where, node in public_definitions() if not ast.get_docstring(node)]  # type: ignore[arg-type]
    assert not bare


def committed() -> list[Path]:
    ran = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / file for file in ran.stdout.split("\0") if file and (ROOT / file).is_file()]


def test_no_committed_file_names_a_machine_or_a_registry() -> None:
    """A clone works anywhere: no path of somebody's machine, no address of a package index.

    The pattern is spelled with brackets so that it does not find itself.
    """
    foreign = re.compile(
        rb"/w[o]rk/|/f[a]rm/|/r[o]ot/|/h[o]me/[a-z]|bash_j[o]bs|[.]l[i]brary"
        rb"|[p]ypi[.]org|[p]ythonhosted|registry[.][n]pmjs|[d]eb[.]debian"
    )
    hits = {name(file): found[0] for file in committed() if (found := foreign.search(file.read_bytes()))}
    assert not hits


def test_every_requirement_is_pinned_by_hash() -> None:
    """Nothing is installed that was not seen before; nothing says from where."""
    for file in ("requirements.txt", "requirements-dev.txt"):
        lines = (ROOT / file).read_text().replace("\\\n", " ").splitlines()
        wanted = [line for line in lines if line and not line.startswith("#")]
        assert wanted
        assert all(re.match(r"[a-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line) for line in wanted)


def test_the_map_of_the_house_is_complete() -> None:
    """docs/architecture.md names every module, and none that is gone; a folder is said by its files."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`(guard/[a-z0-9_/]+\.py)`", page)) - {"guard/__init__.py"}
    assert named == {name(file) for file in MODULES if file.name != "__init__.py"}
