"""`guard policy check | show | schema`: what they print, for people and for machines, and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.cli.policy import app
from guard.policy.load import load_policy, pack_names

Write = Callable[[str, str], Path]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("pack", pack_names())
def test_check_of_a_pack_is_zero(pack: str) -> None:
    """Every shipped pack loads; warnings do not change the exit code."""
    result = run("check", pack)
    assert result.exit_code == 0
    assert load_policy(pack).sha256[:16] in result.stdout


def test_check_lists_loosenings_and_warnings(write: Write) -> None:
    """What a file allows more than its packs, and what fails open, stands in the output, with its line."""
    path = write("p.yaml", "extends: [default]\nmode: observe\ninput:\n  rules:\n    secret.*: flag\n")
    result = run("check", str(path))
    assert result.exit_code == 0
    assert "Looser than what it extends:" in result.stdout
    assert "p.yaml:2:mode: observe is looser than enforce" in result.stdout
    assert (
        "p.yaml:5:input.rules.secret.*: flag from 0.5 is looser than redact as token from 0.5"
        in result.stdout
    )
    assert "Worth a look:\n  mode: observe: nothing is changed or refused" in result.stdout


def test_check_of_a_bad_file_is_two_and_names_every_line(write: Write) -> None:
    """A bad file ends with 2 and one line a mistake on the error stream, nothing on the output."""
    path = write("p.yaml", "mode: close\nfail_mode: x\n")
    result = run("check", str(path))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert [line.removeprefix(f"{path}:").split(": ")[0] for line in result.stderr.splitlines()] == [
        "1:mode",
        "2:fail_mode",
    ]


@pytest.mark.parametrize("verb", ["check", "show"])
def test_a_missing_file_is_two(verb: str) -> None:
    """An unknown pack is a bad file, in one line that suggests the nearest."""
    result = run(verb, "strickt")
    assert result.exit_code == 2
    assert result.stderr == "strickt:1:(file): there is no pack or file of this name: did you mean strict?\n"


def test_check_json_is_one_object(write: Write) -> None:
    """With --json a machine reads ok, digest, loosenings and warnings, or the mistakes by file, line and key."""
    good = json.loads(run("check", "observe", "--json").stdout)
    assert good["ok"] is True
    assert good["sha256"] == load_policy("observe").sha256
    assert good["problems"] == []
    assert len(good["loosenings"]) == 1
    assert len(good["warnings"]) == 1
    path = write("p.yaml", "input:\n  rules:\n    pii.*: {action: blok}\n    'a: b': flag\n")
    result = run("check", str(path), "--json")
    assert result.exit_code == 2
    bad = json.loads(result.stdout)
    assert bad["ok"] is False
    assert [(p["file"], p["line"], p["key"]) for p in bad["problems"]] == [
        (str(path), 3, "input.rules.pii.*.action"),
        (str(path), 4, "input.rules.a: b"),
    ]
    assert bad["problems"][0]["message"] == "'blok' is not known here: did you mean block?"


def test_show_prints_what_is_in_force(write: Write) -> None:
    """The resolved policy is YAML that loads again."""
    shown = run("show", "strict")
    assert shown.exit_code == 0
    assert "pii.*: {action: block, at: 0.5}" in shown.stdout
    assert load_policy(write("again.yaml", shown.stdout)).sha256 == load_policy("strict").sha256


def test_show_why_names_the_file_and_line_of_each_line() -> None:
    """With --why every rule and value says which file and line, and which pattern, gave it."""
    lines = run("show", "strict", "--why").stdout.splitlines()
    default = Path("policies/default.yaml")
    assert any("pii.email: {action: block" in line and "# strict.yaml:" in line for line in lines)
    assert any("hold: window" in line and f"# {default.name}:" in line for line in lines)
    assert any("mode: enforce" in line and "# built-in" in line for line in lines)
    bare = [line for line in lines if "#" not in line]
    assert all(line.endswith(":") or line.startswith(("policy:", "version:")) for line in bare)


def test_show_json_is_the_canonical_form() -> None:
    """With --json the resolved policy is one object with its digest; --why adds the origins by key."""
    shown = json.loads(run("show", "eu", "--json", "--why").stdout)
    assert shown["sha256"] == load_policy("eu").sha256
    assert shown["resolved"]["egress"]["jurisdictions"] == ["CH", "EEA"]
    assert shown["resolved"]["input"]["rules"]["guard.*"] == [{"action": "block", "at": 0.0}]
    assert shown["origins"]["egress.jurisdictions"].startswith("eu.yaml:")
    assert shown["origins"]["input.rules.pii.*"].startswith("default.yaml:")
    assert "origins" not in json.loads(run("show", "eu", "--json").stdout)


def test_show_writes_rules_that_no_single_file_could(write: Write) -> None:
    """Where files combine to steps of several kinds, the steps are listed."""
    write("a.yaml", "input: {rules: {pii.*: {redact: 0.2, block: 0.9, as: token, restore: true}}}")
    write(
        "b.yaml",
        "input: {rules: {pii.*: {action: redact, as: mask, at: 0.6}, pii.ip: {flag: 0.1, block: 0.3}}}",
    )
    shown = run("show", str(write("c.yaml", "extends: [./a.yaml, ./b.yaml]"))).stdout
    assert (
        "pii.*: [{action: redact, at: 0.2, as: token, restore: true}, "
        "{action: redact, at: 0.6, as: mask}, {action: block, at: 0.9}]"
    ) in shown


def test_show_writes_ladders_and_observed_rules(write: Write) -> None:
    """Ladders, observed rules, allowed kinds, hosts, routes and own recognizers come out as they went in."""
    text = """
    policy: p
    version: "1: #2"
    input:
      rules:
        pii.*: {flag: 0.2, redact: 0.4, block: 0.9, as: mask}
        pii.email: {action: block, mode: observe}
        pii.phone: {flag: 0.2, block: 0.4, mode: observe}
        pii.card: allow
    messages: {input: "no {{x}}: 不 \\n#"}
    egress: {jurisdictions: [NO], hosts: {"*.example.org": {processing: [NO], storage: [NO]}}}
    recognizers: {countries: all, custom: [{name: a, pattern: '[0-9]{3}"', kind: pii.a, tests: ['123"']}]}
    routes: {"POST /ask": {input: ["*"], output: [$.answer], except: {input: ["$['user-id']"]}}, "GET /all": {}}
    """
    path = write("p.yaml", text)
    shown = run("show", str(path)).stdout
    assert load_policy(write("again.yaml", shown)).sha256 == load_policy(path).sha256


def test_schema_describes_every_key() -> None:
    """The JSON Schema has a description for every key that has an effect, and refuses unknown ones."""
    schema = json.loads(run("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    for node in [schema, *schema["$defs"].values()]:
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert all(child.get("description") for child in node["properties"].values()), node["title"]


@pytest.mark.parametrize("verb", ["check", "show", "schema"])
def test_help_shows_an_example(verb: str) -> None:
    """Each verb's --help ends with an example to copy."""
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert f"Example: guard policy {verb}" in result.stdout


def test_a_usage_mistake_is_two() -> None:
    """An unknown option is a usage error."""
    assert run("check", "--nope").exit_code == 2
