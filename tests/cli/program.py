"""The program's own source, for tests of what it says: each file is parsed once."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import guard

GUARD = Path(guard.__file__).resolve().parent
HANZI = re.compile("[\u4e00-\u9fff]")
FILES = [file for file in sorted(GUARD.rglob("*.py")) if "simulator" not in file.parts]


@cache
def parsed(file: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(file.read_text("utf-8"))


def sample(node: ast.AST) -> str:
    """A text as it may come out: 1 stands for each value."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "1" for part in parts)
