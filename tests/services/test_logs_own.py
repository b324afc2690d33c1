"""Log lines meet a policy's own recognizers, and redacting a line twice changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.keys import Keys
from guard.logs import redactor

OWN = [
    # pattern, a line, the value in it
    ("ACME-[0-9]{4}", "badge ACME-1234 seen", "ACME-1234"),
    ("ACME-[0-9]{4}", "badge ＡＣＭＥ-1234 seen", "ＡＣＭＥ-1234"),
    ("[0-9]{9}", "ticket 482917365 closed", "482917365"),
    ("prj/[a-z]{3,12}", "moved to prj/heron today", "prj/heron"),
    ("蓝鹭[0-9]+号", "项目蓝鹭17号完成", "蓝鹭17号"),
]


@pytest.mark.parametrize("form", ["faker", "mask", "hash", "token"])
@pytest.mark.parametrize(("pattern", "line", "value"), OWN)
def test_own_recognizers_act_in_log_lines(
    tmp_path: Path, pattern: str, line: str, value: str, form: str
) -> None:
    """B30: a value that only the policy knows is no more for a log than any other; once redacted, it stays so."""
    policy = tmp_path / "p.yaml"
    policy.write_text(
        f"recognizers: {{custom: [{{name: own, pattern: '{pattern}', kind: pii.acme.own}}]}}\n"
        f"logs: {{rules: {{pii.*: {{action: redact, as: {form}}}}}}}\n",
        "utf-8",
    )
    keys = Keys(b"a key for this test")
    once = redactor(policy, keys=keys).redact(line)
    assert value not in once
    assert len(once.split()) == len(line.split())
    assert redactor(policy, keys=keys).redact(once) == once


def test_a_kind_on_which_no_log_rule_acts_stays(tmp_path: Path) -> None:
    """What a policy lets pass in log lines is not looked for."""
    policy = tmp_path / "p.yaml"
    policy.write_text(
        "recognizers: {custom: [{name: own, pattern: 'ACME-[0-9]{4}', kind: pii.acme.own}]}\n"
        "logs: {rules: {pii.email: redact}}\n"
    )
    assert redactor(policy, keys=Keys(b"a key for this test")).redact("ACME-1234") == "ACME-1234"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('{"密码": "hunter2xyz9"}', "hunter2xyz9"),
        ("<td>password</td><td>hunter2xyz9</td>", "hunter2xyz9"),
        ("INSERT INTO cards (id, cvv) VALUES (7, '814')", "814"),
        ("name,cvv\nRome,814\n", "814"),
        ("full_name,city\nHannah Whitfield,Leeds\n", "Whitfield"),
        ('{"customerName": "王建国"}', "王建国"),
    ],
)
def test_a_name_in_front_or_a_heading_is_a_cue(line: str, value: str) -> None:
    """A line holds what its names and headings say, as a body does; redacted once more it stays as it is."""
    made = redactor("default", keys=Keys(b"a key for this test"))
    once = made.redact(line)
    assert value not in once
    assert made.redact(once) == once
