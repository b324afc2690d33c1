"""Every mistake in a policy refuses to load and says `file:line:key: what is wrong: what to write instead`."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

import guard.policy.load
from guard.errors import PolicyError
from guard.policy.load import load_policy
from guard.policy.model import Policy

Problems = Callable[[str], list[str]]
Load = Callable[[str], Policy]

UNKNOWN_KINDS = [
    ("pii.emial", "did you mean pii.email?"),
    ("EMAIL_ADRESS", "did you mean pii.email?"),
    ("US_SSN", "did you mean pii.us.ssn?"),
    ("PII.CARD", "did you mean pii.card?"),
    ("pii.cards.*", "did you mean pii.*?"),
    ("pi.*", "did you mean pii.*?"),
    ("moderation.violence/graphics", "did you mean moderation.violence/graphic?"),
    ("guard.unavailable.moderator", "did you mean guard.unavailable.moderation?"),
    ("pii.acme.wristband", "see docs/policy.md for the list"),
    ("*.card", "* stands at the end only: write one such as pii.*"),
    ("pii.*.card", "* stands at the end only: write one such as pii.*"),
    ("pii.org*", "pii.org is found only by its full name: write it out"),
]


@pytest.mark.parametrize(("pattern", "hint"), UNKNOWN_KINDS)
def test_unknown_kinds_are_refused(problems: Problems, pattern: str, hint: str) -> None:
    """B32: a rule for a kind that nothing can find is a mistake, and the nearest kind is suggested."""
    [problem] = problems(f"output:\n  rules:\n    pii.*: block\n    '{pattern}': block\n")
    assert problem.startswith(f"4:output.rules.{pattern}: names no known kind")
    assert problem.endswith(hint)


def test_an_own_kind_is_known(load_text: Load) -> None:
    """B32: a kind of recognizers.custom counts as known."""
    load_text(
        "input: {rules: {pii.acme.*: block}}\n"
        "recognizers: {custom: [{name: b, pattern: 'A[0-9]+', kind: pii.acme.badge}]}"
    )


NUMBERS = [
    ("1.01", "is out of range: write a number of at most 1.0"),
    ("-1", "is out of range: write a number of at least 0.0"),
    ("-0.01", "is out of range: write a number of at least 0.0"),
    (".nan", "is out of range"),
    (".inf", "is out of range: write a number of at most 1.0"),
    ('"0.5"', "is not a number: write one without quotes"),
    ("0,5", "is not a number"),
    ("50%", "is not a number"),
    ("true", "is not a number"),
    ("[0.5]", "is not a number"),
    ("null", "has no value: write one, or take the key out"),
    ("99999999999999999999999", "is out of range: write a number of at most 1.0"),
]


@pytest.mark.parametrize("key", ["at", "flag", "block"])
@pytest.mark.parametrize(("number", "hint"), NUMBERS)
def test_scores_that_are_none_are_refused(problems: Problems, number: str, hint: str, key: str) -> None:
    """B33: thresholds out of 0..1, NaN and quoted numbers are mistakes, never clipped or guessed."""
    action = "action: block, " if key == "at" else ""
    text = f"input:\n  rules:\n    pii.card: {{{action}{key}: {number}}}\n".replace("0,5", "'0,5'")
    assert problems(text)[0].startswith(f"3:input.rules.pii.card.{key}: {hint}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("moderation: {timeout_s: 0}", "1:moderation.timeout_s: is out of range: write a number above 0"),
        ("moderation: {timeout_s: .nan}", "1:moderation.timeout_s: is out of range"),
        ("moderation: {cache_s: 1.5}", "1:moderation.cache_s: is not a whole number"),
        ("moderation: {cache_s: -1}", "1:moderation.cache_s: is out of range: write a number of at least 0"),
        ("output: {stream: {first: 0}}", "1:output.stream.first: is out of range"),
        ("output: {stream: {first: 20, step: 10}}", "1:output.stream: first is larger than step"),
        ("output: {stream: {context: true}}", "1:output.stream.context: is not a whole number"),
        ("recognizers: {presidio: {engine: spacey}}", "1:recognizers.presidio.engine: "),
        (
            "recognizers: {presidio: {model: en_core_web_lg}}",
            "1:recognizers.presidio: model has no engine that loads it: write engine: spacy",
        ),
        (
            "recognizers: {presidio: {engine: spacy, model: {english: en_core_web_lg}}}",
            "1:recognizers.presidio.model.english: cannot be read: write a language code of two letters",
        ),
        ("recognizers: {presidio: {engine: spacy, model: {en: ''}}}", "1:recognizers.presidio.model.en: "),
        ("recognizers: {presidio: {engine: spacy, model: 5}}", "1:recognizers.presidio.model: "),
        ("recognizers: {presidio: {deadline_ms: 1}}", "1:recognizers.presidio.deadline_ms: is out of range"),
    ],
)
def test_other_numbers_have_bounds_too(problems: Problems, text: str, expected: str) -> None:
    """B33: every number of a policy has a type and a range."""
    [problem] = problems(text)
    assert problem.startswith(expected)


DUPLICATES = [
    ("mode: enforce\nmode: observe", "2:mode: stands twice (first in line 1): keep one"),
    (
        "input:\n  rules:\n    pii.card: block\n    pii.email: flag\n    pii.card: allow",
        "5:input.rules.pii.card: stands twice (first in line 3): keep one",
    ),
    ('input: {rules: {pii.card: block, "pii.card": allow}}', "1:input.rules.pii.card: stands twice"),
    ('input: {rules: {pii.card: block, "pii.c\\x61rd": allow}}', "1:input.rules.pii.card: stands twice"),
    ("egress: {mode: enforce}\ninput: {}\negress: {hosts: {}}", "3:egress: stands twice"),
]


@pytest.mark.parametrize(("text", "expected"), DUPLICATES)
def test_duplicate_keys_are_refused(problems: Problems, text: str, expected: str) -> None:
    """D11: a key that stands twice, however it is spelled, is a mistake: neither first nor last wins."""
    [problem] = problems(text)
    assert problem.startswith(expected)


KEYS = [
    ("fail_mode: close", "1:fail_mode: is an unknown key"),
    ("input: {rule: {}}", "1:input.rule: is an unknown key: did you mean rules?"),
    (
        "input:\n  rules:\n    pii.*: {action: block, score: 1}",
        "3:input.rules.pii.*.score: is an unknown key",
    ),
    (
        "moderation:\n  by: openai\n  time_out: 3",
        "3:moderation.time_out: is an unknown key: did you mean timeout_s?",
    ),
    (
        "recognizers: {presidio: {deadline: 5}}",
        "1:recognizers.presidio.deadline: is an unknown key: did you mean deadline_ms?",
    ),
    (
        "egress: {hosts: {a.example: {processing: [DE], store: [DE]}}}",
        "1:egress.hosts.a.example.store: is an unknown key: did you mean storage?",
    ),
    (
        "routes: {'POST /a': {inputs: [$.q]}}",
        "1:routes.POST /a.inputs: is an unknown key: did you mean input?",
    ),
    (
        "recognizers: {custom: [{nam: x}]}",
        "1:recognizers.custom[0].nam: is an unknown key: did you mean name?",
    ),
    ("<<: {mode: observe}", "1:<<: is an unknown key"),
    ("recognizers: {except_: []}", "1:recognizers.except_: is an unknown key: did you mean except?"),
    ("messages: {self_harm: x}", "1:messages.self_harm: is an unknown key: did you mean self-harm?"),
    ("input: {rules: {pii.*: {action: redact, as_: mask}}}", "1:input.rules.pii.*.as_: is an unknown key"),
    ("mode: close", "1:mode: 'close' is not known here: write one of enforce, observe"),
    ("mode: true", "1:mode: is not one word: write one of enforce, observe"),
    ("mode:", "1:mode: has no value: write one, or take the key out"),
    ("input:\n  rules:\n    # nothing yet\n", "2:input.rules: has no value: write one, or take the key out"),
    ("input: block", "1:input: is not a mapping"),
    ("input: {rules: [pii.card]}", "1:input.rules: is not a mapping"),
    ("version: 2026.1", "1:version: is not text: write text, in quotes"),
    ("extends: default", "1:extends: is not a list: write it in brackets"),
    ("extends: [5]", "1:extends[0]: is not text"),
    ('extends: ["a\\0b"]', "1:extends[0]: there is no file a\ufffdb there"),
    ("extends: [~nobody-of-that-name/x.yaml]", "1:extends[0]: there is no file x.yaml there"),
    ("policy: my policy", "1:policy: cannot be read: write a short name"),
    ("review_by: next year", "1:review_by: is no date: write one such as 2026-12-31"),
    (
        "egress: {proxy: {url: 'https://p.example:3128'}}",
        "1:egress.proxy.url: cannot be read: write an http URL",
    ),
    (
        "egress: {proxy: {url: 'http://p.example'}}",
        "1:egress.proxy.url: cannot be read: write an http URL with its port",
    ),
    (
        "egress: {proxy: {url: 'http://u:pw@p.example:1'}}",
        "1:egress.proxy.url: cannot be read: write an http URL",
    ),
    (
        "egress: {proxy: {url: 'http://p.example:70000'}}",
        "1:egress.proxy.url: has a port that does not exist",
    ),
    ("egress: {proxy: {except: [a.example]}}", "1:egress.proxy: except has no proxy"),
    ("egress: {proxy: 'http://p.example:3128'}", "1:egress.proxy: "),
    (
        "egress: {jurisdictions: [EUU]}",
        "1:egress.jurisdictions[0]: 'EUU' is no country or group of countries",
    ),
    ("egress: {jurisdictions: []}", "1:egress.jurisdictions: is an empty list: write any, or places"),
    ("egress: {jurisdictions: EU}", "1:egress.jurisdictions: is no list: write any, or places"),
    (
        "egress: {hosts: {LLM.example: {processing: [DE], storage: [DE]}}}",
        "1:egress.hosts.LLM.example: cannot be read",
    ),
    (
        "egress: {hosts: {a.example: {processing: [DE], storage: []}}}",
        "1:egress.hosts.a.example.storage: is an empty list",
    ),
    (
        "egress: {hosts: {a.example: {processing: [DE]}}}",
        "1:egress.hosts.a.example.storage: is missing: write it",
    ),
    (
        "recognizers: {countries: [UK]}",
        "1:recognizers.countries[0]: 'UK' is no country code: did you mean GB?",
    ),
    ("recognizers: {except: [loopback]}", "1:recognizers.except[0]: 'loopback' is not known here"),
    (
        "recognizers: {presidio: {recognizers: [UsSsnRecogniser]}}",
        "1:recognizers.presidio.recognizers[0]: 'UsSsnRecogniser' is no predefined recognizer of Presidio: "
        "did you mean UsSsnRecognizer?",
    ),
    (
        "recognizers: {presidio: {recognizers: [SpacyRecognizer]}}",
        "1:recognizers.presidio.recognizers[0]: SpacyRecognizer needs a model or a service: name engine",
    ),
    (
        "moderation: {url: 'https://me:secret@h.example/'}",
        "1:moderation.url: cannot be read: write a base URL",
    ),
    ("restore: {tools: [send mail]}", "1:restore.tools[0]: cannot be read: write the name of a tool"),
    ("endpoints: {allow: [chat]}", "1:endpoints.allow[0]: 'chat' is no endpoint that can be allowed"),
    ("routes: {/ask: {input: ['*']}}", "1:routes./ask: cannot be read: write method and path"),
    (
        "routes: {'POST /ask': {except: {input: ['*']}}}",
        "1:routes.POST /ask.except.input[0]: would leave no text",
    ),
    (
        "routes: {'POST /ask': {input: ['*'], except: {output: [$.a]}}}",
        "1:routes.POST /ask: except.output has no effect",
    ),
    ("routes: {'POST /ask': {except: {input: [id]}}}", "1:routes.POST /ask.except.input[0]: is no path"),
    ("routes: {'POST /ask': {input: [question]}}", "1:routes.POST /ask.input[0]: is no path"),
    ("logs: {locale: [xx_XX]}", "1:logs.locale[0]: 'xx_XX' is no locale of fakes"),
    ("trace: {export: none}", "1:trace.export: 'none' is not known here: write one of files"),
]


@pytest.mark.parametrize(("text", "expected"), KEYS)
def test_unknown_and_mistyped_keys_are_refused(problems: Problems, text: str, expected: str) -> None:
    """D12: an unknown key or a value of the wrong type is refused with its line, never a silent default."""
    assert any(problem.startswith(expected) for problem in problems(text))


RULES = [
    ("pii.*: blok", "'blok' is not known here: did you mean block?"),
    ("pii.*: true", "is no rule: write block"),
    ("pii.*: 0.5", "is no rule: write block"),
    ("pii.*: [block]", "is no rule: write block"),
    ("pii.*: {}", "has no action: write block"),
    ("pii.*: {at: 0.5}", "has no action: write block"),
    ("pii.*: {action: block, flag: 0.5}", "has an action and a ladder"),
    ("pii.*: {flag: 0.5, at: 0.5}", "`at` goes with one action"),
    ("pii.*: {action: allow, at: 0.5}", "`at` goes with one action"),
    ("pii.*: {flag: 0.8, block: 0.4}", "a step of the ladder is never reached"),
    ("pii.*: {flag: 0.5, block: 0.5}", "a step of the ladder is never reached"),
    ("pii.*: {action: block, as: mask}", "`as` and `restore` go with redact only"),
    ("pii.*: {flag: 0.5, restore: true}", "`as` and `restore` go with redact only"),
    ("pii.*: {action: redact, as: shred}", "'shred' is not known here"),
    ("pii.*: {action: redact, as: faker, restore: true}", "faker cannot be restored"),
    ("pii.*: {action: redact, as: mask, restore: true}", "mask cannot be restored"),
    ("pii.*: {action: redact, as: hash, restore: true}", "hash cannot be restored"),
    ("pii.*: {redact: 0.5, as: hash, restore: true}", "hash cannot be restored"),
    ("pii.*: {action: redact, restore: 1}", "is neither true nor false"),
    ("pii.*: {action: redact, restore: yes}", "is neither true nor false"),
    (
        "guard.*: redact",
        "covers guard.*, which are no spans to redact: write block, or name pii.* and secret.*",
    ),
    ("guard.opaque.image: {flag: 0.1, redact: 0.5}", "covers guard.*, which are no spans to redact"),
    ("moderation.hate: redact", "covers moderation.*, which are no spans to redact"),
    ("'*': redact", "covers egress.* and guard.* and moderation.*, which are no spans to redact"),
    ("'*': {flag: 0.1, redact: 0.5}", "covers egress.* and guard.* and moderation.*"),
    ("egress.host: allow", "egress.* kinds are decided by egress.jurisdictions"),
]


@pytest.mark.parametrize(("rule", "expected"), RULES)
def test_rules_that_mean_nothing_are_refused(problems: Problems, rule: str, expected: str) -> None:
    """D12: a rule that could not have the effect it seems to ask for is a mistake."""
    [problem] = problems(f"output:\n  rules:\n    {rule}\n")
    assert problem.startswith("3:output.rules.")
    assert expected in problem


@pytest.mark.parametrize(
    ("stage", "rule", "expected"),
    [
        (
            "input",
            "moderation.*: block",
            "judging what goes in is not built yet: write the rule under output.rules",
        ),
        ("logs", "moderation.*: flag", "moderation.* kinds are never found in logs: take the rule out"),
        ("logs", "pii.*: block", "a log line is not refused: write redact"),
        ("logs", "'*': block", "a log line is not refused: write redact"),
        (
            "logs",
            "pii.*: {action: redact, mode: observe}",
            "a log line is not kept to be observed: take mode out",
        ),
    ],
)
def test_rules_in_the_wrong_stage_are_refused(
    problems: Problems, stage: str, rule: str, expected: str
) -> None:
    """D12: a rule for what a stage never sees or cannot do is a mistake."""
    [problem] = problems(f"{stage}:\n  rules:\n    {rule}\n")
    assert problem.startswith(f"3:{stage}.rules.")
    assert problem.endswith(expected)


def test_a_judge_that_is_off_leaves_no_rule_behind(problems: Problems) -> None:
    """D12: `by: off` beside the file's own moderation rules contradicts itself."""
    [problem] = problems("output: {rules: {moderation.*: block}}\nmoderation:\n  by: off\n")
    assert problem.startswith("3:moderation.by: off leaves output.rules.moderation.* without a judge")


TRAFFIC = [
    ("retries: {attempts: 0}", "attempts: is out of range"),
    ("retries: {attempts: 99}", "attempts: is out of range"),
    ("limits: {requests_per_minute: 0}", "requests_per_minute: is out of range"),
    (
        "limits: {requests_per_minute: few}",
        "requests_per_minute: is no number: write a number, or any for no limit",
    ),
    ("limits: {wait: soon}", "wait: is no time: write one such as 2s or 500ms, or 0"),
    ("limits: {wait: 2h}", "wait: is no time"),
    ("limits: {per: moon}", "per: "),
    ("budget: {usd_per_day: 0}", "usd_per_day: is out of range"),
    ("budget: {usd_per_day: lots}", "usd_per_day: is no number: write a number, or any for no limit"),
    ("budget: {then: refuse}", "then: "),
    ("budget: {then: {model: x}}", "then.model: is an unknown key"),
    ("budget: {prices: {m: {output: 1}}}", "prices.m.input: "),
    ("alerts: {p99_s: 0}", "p99_s: is out of range"),
    ("alerts: {first_token_ms: soon}", "first_token_ms: is no number: write a number, or any for no limit"),
    ("alerts: {p95_s: 1}", "p95_s: is an unknown key"),
    ("alerts: {budget: [90]}", "alerts.budget"),
    ("alerts: {webhook: 'https://me:pw@hooks.example.org/x'}", "webhook: "),
]


@pytest.mark.parametrize(("text", "expected"), TRAFFIC)
def test_traffic_is_read_strictly(problems: Problems, text: str, expected: str) -> None:
    """D12: a number out of range, a word that is none, an unknown key: refused with its line."""
    [problem] = problems(f"traffic:\n  {text}\n")
    assert problem.startswith("2:traffic.")
    assert expected in problem


MESSAGES = [
    ("{en: no, ZH: x}", "is no text by language"),
    ("{}", "is no text by language"),
    ("{en: ''}", "has an empty text"),
    ("{en: [a]}", "messages.input"),
    ("5", "messages.input"),
]


@pytest.mark.parametrize(("text", "expected"), MESSAGES)
def test_words_by_language_are_read_strictly(problems: Problems, text: str, expected: str) -> None:
    """D12: a tag that is none, an empty text, another type: refused once, with its line."""
    [problem] = problems(f"messages:\n  input: {text}\n")
    assert problem.startswith("2:messages.input")
    assert expected in problem


UNBUILT = [
    "trace: {content: redacted}",
]


@pytest.mark.parametrize("text", UNBUILT)
def test_what_is_not_built_yet_is_refused_and_says_so(problems: Problems, text: str) -> None:
    """D12: a key that loads has its effect; keys of the design without one yet are refused."""
    [problem] = problems(text)
    assert "is not built yet" in problem


def test_what_is_not_built_yet_may_stand_empty(load_text: Load) -> None:
    """The design's empty values load, so that a file may name what it does not use."""
    load_text(
        "traffic: {}\nattach: []\nexceptions: []\ntests: []\nmoderation: {by: off}\n"
        "egress: {rules: {}}\ntrace: {content: none, keep: '', at_least: ''}\n"
        "recognizers: {names: off, presidio: {engine: none, model: ''}}\n"
    )


def test_all_mistakes_of_a_file_come_at_once_in_order(write: Callable[[str, str], Path]) -> None:
    """One PolicyError holds every mistake, each as file:line:key: what: what to write instead."""
    path = write(
        "p.yaml",
        """
        mode: off
        owner:
        input:
          rules:
            pii.emial: block
            pii.card: {action: block, at: 2}
        moderation: {by: off, timeout_s: soon}
        mode: observe
        traffic: {dead_letters: 7}
        """,
    )
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    heads = [problem.removeprefix(f"{path}:").split(": ")[0] for problem in caught.value.problems]
    assert heads == [
        "2:mode",
        "3:owner",
        "6:input.rules.pii.emial",
        "7:input.rules.pii.card.at",
        "8:moderation.timeout_s",
        "9:mode",
        "10:traffic.dead_letters",
    ]
    assert str(caught.value).count("\n") == len(heads) - 1


TEMPLATES = [
    "{{ ''.__class__ }}",
    "{0.__class__}",
    "%(key)s",
    "${HOME}",
    "{% include 'x' %}",
    "`id`",
    "$(id)",
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_are_text(load_text: Load, template: str) -> None:
    """D13: a template in a message is printed as it stands, never evaluated."""
    assert load_text(f'messages: {{input: "{template}"}}').messages.input == template


def test_nothing_in_a_policy_is_executed() -> None:
    """D14: no code of the policy floor evaluates, executes or imports by name."""
    folder = Path(guard.policy.load.__file__).parent
    called = {
        getattr(node.func, "id", getattr(node.func, "attr", ""))
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
    }
    assert not called & {
        "eval",
        "exec",
        "__import__",
        "import_module",
        "system",
        "Popen",
        "format_map",
        "getenv",
    }


def test_a_policy_error_never_quotes_a_message(problems: Problems) -> None:
    """Errors name keys and what to write; a long text is not repeated."""
    [problem] = problems(dedent(f"messages: {{input: '{'secret words ' * 200}'}}"))
    assert "secret words" not in problem
    assert problem.endswith("is too long: write at most 2000 characters")


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("defualt", "defualt:1:(file): there is no pack or file of this name: did you mean default?"),
        (
            "none.yaml",
            "none.yaml:1:(file): there is no such file: write the path of a policy file or the name of a pack",
        ),
        ("./", ":1:(file): there is no such file"),
        ("", ":1:(file): there is no such file"),
    ],
)
def test_a_source_that_is_none_is_refused(source: str, hint: str) -> None:
    """An unknown pack and a missing file are one line each."""
    with pytest.raises(PolicyError) as caught:
        load_policy(source)
    assert hint in str(caught.value)


IDLE = [
    ("retries: {max_wait_s: 5}", "retries.max_wait_s: has no effect, since nothing is tried again"),
    ("limits: {wait: 2s}", "limits.wait: has no effect without a limit"),
    ("limits: {per: user}", "limits.per: has no effect without a limit"),
    ("budget: {unknown_usd: 1}", "budget.unknown_usd: has no effect without a limit"),
    ("budget: {usd_per_month: 9, then: {use: m}}", "budget.then: has no effect without a day's limit"),
    ("alerts: {budget: [80]}", "alerts.budget: has no effect without a budget"),
]


@pytest.mark.parametrize(("written", "said"), IDLE)
def test_a_key_without_effect_does_not_load(problems: Problems, written: str, said: str) -> None:
    """A key of the traffic whose effect hangs on another that nobody wrote."""
    [problem] = problems(f"policy: p\ntraffic: {{{written}}}\n")
    assert problem.startswith(f"2:traffic.{said}")


def test_the_other_half_may_stand_in_another_file(tmp_path: Path) -> None:
    """What counts is what all files say together; the file and line are those that say it."""
    (tmp_path / "house.yaml").write_text("policy: house\ntraffic: {alerts: {budget: [80]}}\n")
    app, budget = tmp_path / "app.yaml", "traffic: {budget: {usd_per_day: 9}}\n"
    app.write_text("policy: app\nextends: [./house.yaml]\n" + budget)
    assert load_policy(app).traffic.alerts.budget == (80,)
    app.write_text("policy: app\nextends: [./house.yaml]\n")
    with pytest.raises(PolicyError) as refused:
        load_policy(app)
    [problem] = refused.value.problems
    assert problem.startswith(f"{tmp_path / 'house.yaml'}:2:traffic.alerts.budget: has no effect")
