"""Cases that travel with a policy: how they are written, run, shown, and what no case exercises."""

from __future__ import annotations

import json
import xml.etree.ElementTree as xml
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guard.cases import Cases, Outcome, unexercised
from guard.cli.policy import app
from guard.policy.load import load, load_policy, pack_names

WRONG = [
    ("{input: a}", "tests[0].expect: is missing: write it"),
    ("{expect: {action: allow}}", "is about nothing: write one of input, output, logs, body, destination"),
    ("{input: a, output: b, expect: {action: allow}}", "is about input and output"),
    ("{input: a, expect: {}}", "tests[0].expect: expects nothing"),
    ("{input: a, expect: {action: drop}}", "tests[0].expect.action: 'drop' is not known here"),
    (
        "{input: a, expect: {kinds: [pii.mail]}}",
        "tests[0].expect.kinds[0]: 'pii.mail' is no known kind: did you mean",
    ),
    ("{input: a, scores: {violence: 0.5}, expect: {action: allow}}", "`scores` go with an output"),
    ("{output: a, scores: {violense: 0.5}, expect: {action: allow}}", "did you mean violence?"),
    ("{output: a, scores: {violence: 1.5}, expect: {action: allow}}", "write a number of at most 1"),
    ("{input: a, endpoint: responses, expect: {action: allow}}", "`endpoint` goes with a body"),
    ("{body: {model: m}, expect: {text: a}}", "a body has expect.texts"),
    ("{input: a, expect: {texts: {a: b}}}", "write expect.text"),
    ("{input: a, expects: {action: allow}}", "tests[0].expects: is an unknown key: did you mean expect?"),
]


@pytest.mark.parametrize(("case", "problem"), WRONG)
def test_a_wrong_case_is_told_with_its_line(
    problems: Callable[[str], list[str]], case: str, problem: str
) -> None:
    """B32: every mistake in a case has its file, line and key, and says what to write instead."""
    found = problems(f"policy: p\ntests:\n- {case}\n")
    assert any(problem in line for line in found), found
    assert all(line.startswith("3:tests[0]") for line in found), found


def test_cases_mean_nothing_else(load_text: Callable[[str], object]) -> None:
    """Cases do not change the digest: they say nothing about what is allowed."""
    plain = load_text("policy: p\ninput: {rules: {pii.*: redact}}")
    tested = load_text(
        "policy: p\ninput: {rules: {pii.*: redact}}\ntests: [{input: a, expect: {action: allow}}]"
    )
    assert plain.sha256 == tested.sha256  # type: ignore[attr-defined]


def test_cases_are_not_inherited(load_files: Callable[..., object]) -> None:
    """A file that tightens would fail the cases of what it extends: each file brings its own."""
    loaded = load_files(
        base="policy: base\ntests: [{input: a, expect: {action: allow}}]",
        p="policy: p\nextends: [./base.yaml]",
    )
    assert loaded.cases == () == loaded.policy.tests  # type: ignore[attr-defined]


POLICY = """\
policy: p
input:
  rules:
    pii.*: {action: redact, as: token}
    pii.card: block
    pii.phone: flag
    secret.*: block
output: {rules: {moderation.*: {action: block, at: 0.8}, pii.email: flag}}
logs: {rules: {pii.*: {action: redact, as: mask}}}
egress: {jurisdictions: [EEA, CH]}
recognizers:
  lists: [{name: house, allow: true, terms: [desk@kontor-nord.org], tenants: [acme]}]
tests:
"""

CASES = [
    # a case, what it gets wrong (nothing: it passes)
    ("input: 'a@kontor-nord.org', expect: {action: redact, kinds: [pii.email], text: '<EMAIL_1>'}", ""),
    ("input: 'a@kontor-nord.org', expect: {action: block}", "action: expected block, got redact"),
    ("input: 'a@kontor-nord.org', expect: {kinds: []}", "kinds: unexpected pii.email"),
    (
        "input: 'a@kontor-nord.org', expect: {kinds: [pii.card]}",
        "kinds: missing pii.card; unexpected pii.email",
    ),
    ("input: 'a@kontor-nord.org', expect: {text: x}", "text: expected 'x', got '<EMAIL_1>'"),
    ("input: '4929 1234 5678 9015', expect: {action: block, kinds: [pii.card]}", ""),
    (
        "input: '4929 1234 5678 9015', expect: {text: x}",
        "text: expected 'x', got no text goes on: pii.card blocks it (pii.card, p.yaml:5)",
    ),
    ("input: 'call +49 30 2636 0110', expect: {action: flag, text: 'call +49 30 2636 0110'}", ""),
    ("input: 'desk@kontor-nord.org', tenant: acme, expect: {action: allow, kinds: []}", ""),
    ("input: 'desk@kontor-nord.org', tenant: other, expect: {action: redact}", ""),
    ("output: x, scores: {hate: 0.8}, expect: {action: block, kinds: [moderation.hate]}", ""),
    ("output: x, scores: {hate: 0.79}, expect: {action: allow, kinds: []}", ""),
    ("output: x, expect: {action: allow, text: x}", ""),
    ("logs: 'from a@kontor-nord.org', expect: {action: redact, kinds: [pii.email]}", ""),
    ("destination: 'https://eu.api.openai.com/v1', expect: {action: allow, kinds: []}", ""),
    ("destination: 'https://api.openai.com/v1', expect: {action: block, kinds: [egress.jurisdiction]}", ""),
    (
        "destination: 'https://api.openai.com/v1', expect: {action: allow}",
        "action: expected allow, got block: ",
    ),
    (
        "body: {model: m, messages: [{role: user, content: 'a@kontor-nord.org'}]},"
        " expect: {action: redact, texts: {'messages[0].content': '<EMAIL_1>'}}",
        "",
    ),
    ("body: {model: m, input: 'a@kontor-nord.org'}, endpoint: embeddings, expect: {kinds: [pii.email]}", ""),
    ("body: {model: m, messages: [], own: 1}, expect: {action: block, kinds: [guard.opaque.field]}", ""),
    ("body: {model: m, messages: [], own: 1}, expect: {action: allow}", "guard.opaque.field blocks it"),
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Outcome]]:
    path = tmp_path_factory.mktemp("cases") / "p.yaml"
    path.write_text(POLICY + "".join(f"- {{{case}}}\n" for case, _ in CASES), "utf-8")
    loaded = load(path)
    with Cases(loaded.policy) as cases:
        yield [cases.run(placed) for placed in loaded.cases]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_case_is_run_as_a_request_would_be(outcomes: list[Outcome], number: int) -> None:
    """Text, body, judge's scores, tenant's lists, log line, destination: each is decided by the policy's rules."""
    expected = CASES[number][1]
    found = outcomes[number].problems
    assert (expected in " ".join(found)) if expected else found == ()
    assert outcomes[number].placed.origin == f"p.yaml:{number + 14}"


def test_rules_without_a_case_are_named(outcomes: list[Outcome], tmp_path: Path) -> None:
    """Coverage: a rule counts when it decided something, not when a finding stayed below it; each can be reached."""
    path = tmp_path / "p.yaml"
    path.write_text(POLICY + "- {input: a, expect: {action: allow}}\n", "utf-8")
    policy = load_policy(path)
    idle = {(str(stage), rule) for stage, rule, _ in unexercised(policy, outcomes)}
    assert idle == {("input", "secret.*"), ("output", "pii.email")}
    below = [outcome for outcome in outcomes if outcome.placed.case.scores.get("hate") == 0.79]
    assert ("output", "moderation.*") in {(str(s), r) for s, r, _ in unexercised(policy, below)}


@pytest.mark.parametrize("name", pack_names())
def test_a_packs_own_cases_pass(name: str) -> None:
    """Each shipped pack brings cases, they come out as it says, and each rule that it writes decides one."""
    loaded = load(name)
    assert loaded.cases
    with Cases(loaded.policy) as cases:
        outcomes = [*map(cases.run, loaded.cases)]
    assert {o.name: o.problems for o in outcomes if o.problems} == {}
    idle = unexercised(loaded.policy, outcomes)
    assert [rule for rule in idle if rule[2].startswith(f"{name}.yaml:")] == []


def invoke(*args: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(map(str, args)))
    return result.exit_code, result.stdout


def test_the_verb_runs_cases_of_the_file_and_beside_it(tmp_path: Path) -> None:
    """Exit code 0 where all pass, 1 where one does not; JSON and JUnit say the same."""
    path, report = tmp_path / "p.yaml", tmp_path / "report.xml"
    path.write_text(
        "policy: p\ninput: {rules: {pii.*: block}}\ntests: [{input: a, expect: {action: allow}}]", "utf-8"
    )
    assert invoke("test", path)[0] == 0
    (tmp_path / "p.tests.yaml").write_text(
        "tests:\n- {name: 'a <b>', input: 'a@kontor-nord.org', expect: {action: redact}}\n", "utf-8"
    )
    code, out = invoke("test", path, "--junit", report, "--json")
    told = json.loads(out)
    assert (code, told["ok"], [case["ok"] for case in told["cases"]]) == (1, False, [True, False])
    assert told["cases"][1]["problems"][0].startswith("action: expected redact, got block")
    assert told["coverage"]["unexercised"] == [{"stage": "input", "rule": "guard.*", "origin": "built-in"}]
    suite = xml.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert suite.findall("testcase")[1].get("name") == "a <b>"
    code, out = invoke("test", path)
    assert code == 1
    assert "✗ a <b>" in out
    assert "1 of 2 failed" in out


def test_a_policy_without_cases_is_no_success(tmp_path: Path) -> None:
    """A run of nothing proves nothing: exit code 2, and where to write cases."""
    path = tmp_path / "p.yaml"
    path.write_text("policy: p", "utf-8")
    result = CliRunner().invoke(app, ["test", str(path)])
    assert result.exit_code == 2
    assert (
        f"{path}:1:tests: has no cases: write them under `tests:`, or in p.tests.yaml beside it"
        in result.stderr
    )


def test_a_file_of_cases_with_a_mistake_is_refused(tmp_path: Path) -> None:
    """B32: a case file is read as strictly as a policy."""
    path, cases = tmp_path / "p.yaml", tmp_path / "c.yaml"
    path.write_text("policy: p", "utf-8")
    cases.write_text("tests:\n- {input: a, expect: {kinds: [pii.nothing]}}\n- {input: a}\n", "utf-8")
    result = CliRunner().invoke(app, ["test", str(path), "--cases", str(cases)])
    assert result.exit_code == 2
    assert f"{cases}:3:tests[1].expect: is missing: write it" in result.stderr
