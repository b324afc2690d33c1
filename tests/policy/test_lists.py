"""Deny lists and allow lists: what may be written, what a mistake says, and that no term is ever quoted."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from guard.cli.policy import app
from guard.errors import PolicyError
from guard.policy.check import warnings
from guard.policy.decide import wanted
from guard.policy.digest import canonical
from guard.policy.load import load, load_policy
from guard.policy.model import Policy
from guard.policy.resolve import Loaded
from guard.policy.show import to_yaml
from guard.types import Stage

Write = Callable[[str, str], Path]
Load = Callable[[str], Policy]
Problems = Callable[[str], list[str]]

CANARY = "Zanzibar Heron"
DENY = "name: projects, deny: pii.acme.project"


def lists(*items: str) -> str:
    return "recognizers:\n  lists:\n" + "".join(f"  - {{{item}}}\n" for item in items)


def test_a_list_holds_what_it_says(load_text: Load, write: Write) -> None:
    """Terms stand in the policy and in a file beside it, without its comments and blank lines."""
    write("terms.txt", "\ufeff# names\n\n  Nightjar  \r\nC# team\n#last\n蓝鹭计划")
    text = lists(
        f"{DENY}, terms: [{CANARY}], file: terms.txt, tenants: [acme]", "name: ok, allow: true, terms: [a]"
    )
    deny, allow = load_text(text).recognizers.lists
    assert deny.words == (CANARY, "Nightjar", "C# team", "蓝鹭计划")
    assert (deny.name, deny.deny, deny.allow, deny.tenants) == (
        "projects",
        "pii.acme.project",
        False,
        ("acme",),
    )
    assert (allow.name, allow.deny, allow.allow, allow.tenants) == ("ok", "", True, ())


MISTAKES = [
    (f"name: a, terms: [{CANARY}]", "[0]: says neither deny nor allow: write deny: pii.NAME"),
    (f"name: a, allow: false, terms: [{CANARY}]", "[0]: says neither deny nor allow"),
    (f"{DENY}, allow: true, terms: [{CANARY}]", "[0]: says both deny and allow: make two lists of it"),
    (DENY, "[0]: has no terms: write terms: [..] or file: PATH"),
    (f"{DENY}, terms: []", "[0]: has no terms"),
    (f"{DENY}, terms: ['{CANARY * 19}']", "[0].terms[0]: is too long: write at most 256 characters"),
    (f"{DENY}, terms: [{CANARY}, ' ']", "[0].terms[1]: is blank: write a term, or take it out"),
    (f"{DENY}, terms: {CANARY}", "[0].terms: is not a list"),
    (f"{DENY}, terms: [{CANARY}, 12]", "[0].terms[1]: is not text"),
    (f"{DENY}, terms: [{{{CANARY}: 1}}]", "[0].terms[0]: is not text"),
    (f"{DENY}, words: [{CANARY}]", "[0].words: is an unknown key"),
    (f"name: a, deny: Project, terms: [{CANARY}]", "[0].deny: is no kind of its own: write pii.NAME"),
    (f"name: a, deny: guard.opaque.image, terms: [{CANARY}]", "[0].deny: is no kind of its own"),
    (f"deny: pii.a, terms: [{CANARY}]", "[0].name: is missing"),
    (f"name: a b, deny: pii.a, terms: [{CANARY}]", "[0].name: cannot be read"),
    (f"name: a, allow: 'yes', terms: [{CANARY}]", "[0].allow: is neither true nor false"),
    (f"{DENY}, file: none.txt", "[0].file: there is no such file: write its path from the policy file"),
    (f"{DENY}, file: .", "[0].file: there is no such file"),
    (f'{DENY}, file: "a\\0b"', "[0].file: there is no such file"),
    (f"{DENY}, file: ~nobody-of-that-name/x", "[0].file: there is no such file"),
    (
        f"{DENY}, file: long.txt",
        "[0].file: has a term that is too long in its line 2: write at most 256 characters",
    ),
    (f"{DENY}, file: latin.txt", "[0].file: is not UTF-8 in its line 3: save it as UTF-8"),
    (f"{DENY}, file: many.txt", "[0].file: has more than 100000 terms: split the list"),
    (f"{DENY}, terms: [{CANARY}], file: full.txt", "[0]: has more than 100000 terms: split the list"),
    (f"{DENY}, file: empty.txt", "[0]: has no terms"),
    (f"{DENY}, file: [{CANARY}]", "[0].file: is not text"),
]


@pytest.mark.parametrize(("item", "expected"), MISTAKES)
def test_a_mistake_says_where_and_never_quotes_a_term(
    problems: Problems, tmp_path: Path, item: str, expected: str
) -> None:
    """B32: `file:line:key: what: instead`; no term stands in any of them."""
    (tmp_path / "long.txt").write_text(f"# {CANARY * 30}\n{CANARY * 19}\n")
    (tmp_path / "latin.txt").write_bytes(b"a\nb\n" + "Zanzibar é".encode("latin-1"))
    (tmp_path / "many.txt").write_text(f"{CANARY} 1\n" * 100_001)
    (tmp_path / "full.txt").write_text(f"{CANARY} 1\n" * 100_000)
    (tmp_path / "empty.txt").write_text(f"# {CANARY}\n\n")
    found = problems(lists(item))
    assert found[0].startswith(f"3:recognizers.lists{expected}")
    assert "Zanzibar" not in "".join(found).replace(f".{CANARY}", "")


def test_a_file_that_may_not_be_read_or_is_no_list_is_refused(
    problems: Problems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "big.txt").write_text("x" * 30)
    monkeypatch.setattr("guard.policy.lists._MAX_BYTES", 20)
    assert "file: is over 0 MiB: split the list" in problems(lists(f"{DENY}, file: big.txt"))[0]
    text = lists(f"{DENY}, file: big.txt")
    real = Path.open

    def refuse(self: Path, *args: Any, **more: Any) -> Any:
        if self.name == "big.txt":
            raise PermissionError(13, "Permission denied")
        return real(self, *args, **more)

    monkeypatch.setattr(Path, "open", refuse)
    assert "file: cannot be read (Permission denied)" in problems(text)[0]


def test_two_lists_have_two_names(problems: Problems) -> None:
    item = f"name: a, deny: pii.a, terms: [{CANARY}]"
    assert problems(lists(item, item)) == ["1:recognizers: lists has two lists of the name a: rename one"]


def test_no_repr_and_no_error_of_a_policy_holds_a_term(load_text: Load, write: Write) -> None:
    """A canary: not in the repr of the policy or a list, not in the error of a policy made in Python."""
    write("terms.txt", CANARY)
    policy = load_text(lists(f"{DENY}, terms: [{CANARY}]", "name: f, deny: pii.a, file: terms.txt"))
    shown = [repr(policy), str(policy), repr(policy.recognizers.lists), json.dumps(canonical(policy))]
    for item in (
        {"name": "a", "terms": (CANARY,)},
        {"name": "a", "deny": CANARY},
        {"name": "a", "terms": CANARY},
    ):
        with pytest.raises(ValidationError) as caught:
            Policy.model_validate({"recognizers": {"lists": (item,)}})
        shown.append(str(caught.value))
    assert not [text for text in shown if "Zanzibar" in text]


def test_the_kind_of_a_deny_list_is_known(load_text: Load) -> None:
    """B32: a rule may name it, a wildcard covers it, and it is wanted where a rule acts on it."""
    rules = "input: {rules: {pii.acme.project: block, pii.acme.*: flag}}\n"
    policy = load_text(rules + lists(f"{DENY}, terms: [{CANARY}]"))
    found = wanted(policy, Stage.INPUT)
    assert {kind for kind in found if kind.startswith("pii.")} == {"pii.acme.project"}


def test_the_digest_is_of_the_terms_not_of_where_they_stand(write: Write) -> None:
    """The order, a comment and the file's name do not matter; a term does."""
    write("one.txt", "a\nb\n")
    write("two.txt", "# the same\nb\na\na\n")
    write("three.txt", "a\nb\nc\n")

    def sha(item: str) -> str:
        return load_policy(write("p.yaml", lists(f"{DENY}, {item}"))).sha256

    one = sha("file: one.txt")
    assert {sha("file: two.txt"), sha("terms: [b, a]"), sha("terms: [a], file: one.txt")} == {one}
    others = ["file: three.txt", "terms: [a]", "file: one.txt, tenants: [acme]", "terms: ['a\", \"b']"]
    assert len({one, *map(sha, others)}) == 5
    assert sha("terms: [a], tenants: [x, y]") == sha("terms: [a], tenants: [y, x]")
    write("one.txt", "a\n")
    assert sha("file: one.txt") != one


def test_what_is_shown_loads_again_from_any_folder(write: Write, tmp_path: Path) -> None:
    """`guard policy show` names a file by its whole path."""
    write("terms.txt", "Nightjar\n")
    path = write(
        "p.yaml", lists(f"{DENY}, terms: ['a: \"b']", "name: f, allow: true, file: terms.txt, tenants: [x]")
    )
    (tmp_path / "elsewhere").mkdir()
    again = tmp_path / "elsewhere" / "p.yaml"
    again.write_text(to_yaml(load(path)), encoding="utf-8")
    assert load_policy(again).sha256 == load_policy(path).sha256
    assert "Nightjar" not in again.read_text("utf-8")
    result = CliRunner().invoke(app, ["show", str(path), "--json"])
    assert json.loads(result.stdout)["resolved"]["recognizers"]["lists"][1]["tenants"] == ["x"]


EXTENDED = lists("name: p, deny: pii.p, terms: [a]", "name: ok, allow: true, terms: [b]")


@pytest.mark.parametrize(
    ("own", "looser", "names"),
    [
        ("name: q, deny: pii.q, terms: [c]", False, ["p", "ok", "q"]),
        ("name: q, allow: true, terms: [c]", True, ["p", "ok", "q"]),
        ("name: p, deny: pii.p, terms: [other]", True, ["ok", "p"]),
        ("name: ok, deny: pii.ok, terms: [b]", False, ["p", "ok"]),
        ("name: ok, allow: true, terms: [b, c]", True, ["p", "ok"]),
    ],
)
def test_an_extending_file_adds_and_replaces_by_name(
    load_files: Callable[..., Loaded], own: str, looser: bool, names: list[str]
) -> None:
    """More that is denied tightens; more that is allowed, or less that is denied, is listed as a loosening."""
    found = load_files(a=EXTENDED, b="extends: [./a.yaml]\n" + lists(own))
    assert [terms.name for terms in found.policy.recognizers.lists] == names
    assert [loosening.key for loosening in found.loosenings] == ["recognizers.lists"] * looser


def test_among_packs_denied_is_what_any_denies_and_allowed_what_all_allow(
    load_files: Callable[..., Loaded],
) -> None:
    """The stricter wins, as with `except`; a path is meant from the file that has it."""
    other = lists(
        "name: q, deny: pii.q, terms: [c]",
        "name: ok, allow: true, terms: [b]",
        "name: no, allow: true, terms: [d]",
    )
    found = load_files(a=EXTENDED, b=other, c="extends: [./a.yaml, ./b.yaml]")
    assert [terms.name for terms in found.policy.recognizers.lists] == ["p", "q", "ok"]
    alone = load_files(d=EXTENDED, e="policy: e", f="extends: [./d.yaml, ./e.yaml]")
    assert [terms.name for terms in alone.policy.recognizers.lists] == ["p"]
    with pytest.raises(PolicyError, match="two lists of the name p"):
        load_files(g=EXTENDED, h=lists("name: p, deny: pii.p, terms: [x]"), i="extends: [./g.yaml, ./h.yaml]")


def test_check_names_what_is_allowed_and_what_no_rule_acts_on(write: Write) -> None:
    text = lists(
        f"{DENY}, terms: [{CANARY}]", f"name: ok, allow: true, terms: [{CANARY}, b], tenants: [acme]"
    )
    found = warnings(load(write("p.yaml", text)), datetime.date(2026, 12, 1))
    assert (
        "recognizers.lists: projects finds pii.acme.project, on which no rule acts: name it in one" in found
    )
    assert "recognizers.lists: ok: its 2 terms are no findings for acme" in found
    assert not [warning for warning in found if "Zanzibar" in warning]
