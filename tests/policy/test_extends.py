"""What extending means: among packs the stricter wins, and a file loosens only what it names as exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from guard.errors import PolicyError
from guard.policy.decide import decide, rule_for
from guard.policy.load import load
from guard.policy.model import Policy
from guard.policy.resolve import Loaded
from guard.types import Action, Finding, Place, Redaction, Stage

Load = Callable[..., Loaded]
Write = Callable[[str, str], Any]

A, F, R, B = Action.ALLOW, Action.FLAG, Action.REDACT, Action.BLOCK


def action(policy: Policy, kind: str, score: float = 1.0) -> Action:
    return decide(policy, Stage.INPUT, [Finding(kind, 0, 1, score, "test")]).action


def rules(text: str, extends: str = "") -> str:
    return f"{extends}\ninput: {{rules: {{{text}}}}}"


AMONG = [
    # rules of pack a, rules of pack b, kind, score, what both together say
    ("pii.*: redact", "pii.*: flag", "pii.email", 1.0, R),
    ("pii.*: redact", "pii.email: flag", "pii.email", 1.0, R),
    ("pii.*: flag", "pii.email: block", "pii.email", 1.0, B),
    ("pii.*: flag", "pii.email: block", "pii.phone", 1.0, F),
    ("pii.*: flag", "", "pii.phone", 1.0, F),
    # at every score: a ladder against a step
    ("pii.*: {flag: 0.2, block: 0.9}", "pii.*: {action: redact, at: 0.5}", "pii.email", 0.3, F),
    ("pii.*: {flag: 0.2, block: 0.9}", "pii.*: {action: redact, at: 0.5}", "pii.email", 0.6, R),
    ("pii.*: {flag: 0.2, block: 0.9}", "pii.*: {action: redact, at: 0.5}", "pii.email", 0.95, B),
    # a pack that says nothing about guard.* blocks it
    ("guard.opaque.image: flag", "", "guard.opaque.image", 1.0, B),
    ("guard.opaque.image: flag", "guard.opaque.*: flag", "guard.opaque.image", 1.0, F),
    # on-request kinds answer to no wildcard of the other pack
    ("pii.url: flag", "pii.*: block", "pii.url", 1.0, F),
]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("one", "two", "kind", "score", "expected"), AMONG)
def test_among_packs_the_stricter_wins(
    load_files: Load, one: str, two: str, kind: str, score: float, expected: Action, turned: bool
) -> None:
    """Two packs combine by the greater action at every score, in whichever order they are named."""
    order = "[./b.yaml, ./a.yaml]" if turned else "[./a.yaml, ./b.yaml]"
    policy = load_files(a=rules(one), b=rules(two), c=f"extends: {order}").policy
    assert action(policy, kind, score) is expected


FORMS = [
    # of two redactions mask > hash > token > faker > encrypt, and restore: false > true
    ("as: mask", "as: hash", Redaction("mask")),
    ("as: hash", "as: token", Redaction("hash")),
    ("as: token", "as: faker", Redaction("token")),
    ("as: faker", "as: encrypt", Redaction("faker")),
    ("as: token, restore: true", "as: token", Redaction("token")),
    ("as: token, restore: true", "as: encrypt, restore: true", Redaction("token", restore=True)),
    ("as: token, restore: true", "as: faker", Redaction("token")),
    ("as: mask", "as: token, restore: true", Redaction("mask")),
]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("one", "two", "expected"), FORMS)
def test_of_two_redactions_the_stricter_holds(
    load_files: Load, one: str, two: str, expected: Redaction, turned: bool
) -> None:
    """Form and restoring combine, each by its own order."""
    first, second = (two, one) if turned else (one, two)
    loaded = load_files(
        a=rules(f"pii.*: {{action: redact, {first}}}"),
        b=rules(f"pii.*: {{action: redact, {second}}}"),
        c="extends: [./a.yaml, ./b.yaml]",
    )
    assert rule_for(loaded.policy, Stage.INPUT, "pii.email").redaction == expected


OVER = [
    # rules of the pack, rules of the file, kind, what holds, whether it is a loosening
    ("pii.card: block", "pii.*: flag", "pii.card", B, False),
    ("pii.card: flag", "pii.*: block", "pii.card", B, False),
    ("pii.card: block", "pii.card: flag", "pii.card", F, True),
    ("pii.card: block", "pii.card: allow", "pii.card", A, True),
    ("pii.*: block", "pii.card: flag", "pii.card", F, True),
    ("pii.*: block", "pii.card: flag", "pii.email", B, True),  # for pii.card
    ("pii.*: block", "pii.*: flag", "pii.email", F, True),
    ("pii.*: block", "pii.c*: flag", "pii.card", F, True),
    ("pii.c*: block", "pii.*: flag", "pii.card", B, False),
    ("pii.*: block", "'*': flag", "pii.card", B, True),  # for guard.*, which only the built-in rule named
    ("pii.*: block, guard.*: block", "'*': flag", "pii.card", B, False),
    ("pii.*: flag", "'*': block", "pii.card", B, False),
    ("pii.*: block", "secret.*: block", "pii.card", B, False),
    ("", "guard.opaque.image: allow", "guard.opaque.image", A, True),
    ("", "guard.*: flag", "guard.unavailable.moderation", F, True),
    ("pii.url: block", "pii.*: flag", "pii.url", B, False),
    ("pii.*: block", "pii.url: flag", "pii.url", F, False),
    ("pii.*: {action: block, at: 0.9}", "pii.*: {action: block, at: 0.95}", "pii.card", B, True),
    ("pii.*: {action: redact, as: mask}", "pii.*: {action: redact, as: token}", "pii.card", R, True),
    ("pii.*: {action: redact, as: token}", "pii.*: {action: redact, as: mask}", "pii.card", R, False),
    ("pii.*: block", "pii.card: {action: block, mode: observe}", "pii.card", B, True),
]


@pytest.mark.parametrize(("pack", "own", "kind", "expected", "looser"), OVER)
def test_a_file_loosens_only_what_it_names_as_exactly(
    load_files: Load, pack: str, own: str, kind: str, expected: Action, looser: bool
) -> None:
    """The extending file always tightens; where it loosens, `guard policy check` lists it."""
    loaded = load_files(a=rules(pack), b=rules(own, "extends: [./a.yaml]"))
    assert action(loaded.policy, kind) is expected
    assert bool(loaded.loosenings) is looser


def test_each_pack_is_weighed_for_itself(load_files: Load) -> None:
    """Naming a kind as exactly as one pack does not silence another that names it more exactly."""
    loaded = load_files(
        a=rules("pii.card: redact"),
        b=rules("pii.*: block"),
        c=rules("pii.*: flag", "extends: [./a.yaml, ./b.yaml]"),
    )
    assert action(loaded.policy, "pii.card") is R
    assert action(loaded.policy, "pii.email") is F


def test_a_pack_in_the_middle_passes_its_loosening_on(load_files: Load) -> None:
    """What a pack loosened stays loosened for who extends it, unless another pack holds it."""
    base, middle = rules("pii.card: block"), rules("pii.card: flag", "extends: [./a.yaml]")
    assert action(load_files(a=base, b=middle, c="extends: [./b.yaml]").policy, "pii.card") is F
    assert action(load_files(a=base, b=middle, c="extends: [./b.yaml, ./a.yaml]").policy, "pii.card") is B


def test_an_observed_and_an_enforced_rule_combine_in_both_senses(load_files: Load) -> None:
    """What is said and what is enforced combine each by the greater."""
    policy = load_files(
        a=rules("pii.*: {action: block, mode: observe}"),
        b=rules("pii.*: {action: redact, as: hash}"),
        c="extends: [./a.yaml, ./b.yaml]",
    ).policy
    verdict = decide(policy, Stage.INPUT, [Finding("pii.email", 0, 1, 1.0, "test")])
    assert (verdict.action, verdict.enforced, verdict.decisions[0].redaction.form) == (B, R, "hash")


def test_a_loosening_is_named_with_both_lines(load_files: Load) -> None:
    """A loosening says where it stands, what it is and what it was."""
    loaded = load_files(
        a="input:\n  rules:\n    pii.*: block\n", b="extends: [./a.yaml]\ninput:\n  rules:\n    pii.*: flag\n"
    )
    assert [str(loosening) for loosening in loaded.loosenings] == [
        "b.yaml:4:input.rules.pii.*: flag from 0.5 is looser than block from 0.5 (a.yaml:3)"
    ]


VALUES = [
    # key, what pack a says, what pack b says, what holds among them
    ("mode", "observe", "enforce", "enforce"),
    ("mode", "observe", "observe", "observe"),
    ("output.stream.first", "8", "4", 4),
    ("output.stream.step", "64", "32", 32),
    ("output.stream.context", "8", "16", 16),
    ("output.stream.hold", "none", "window", "window"),
    ("output.stream.hold", "window", "full", "full"),
    ("output.stream.at_least", "none", "window", "window"),
    ("egress.mode", "observe", "enforce", "enforce"),
    ("egress.jurisdictions", "any", "[DE]", ("DE",)),
    ("egress.jurisdictions", "[EEA, CH]", "[EEA, US]", ("EEA",)),
    ("egress.jurisdictions", "[EEA, CH]", "[DE, CH, US]", ("CH", "DE")),
    ("egress.jurisdictions", "[EU]", "[EEA]", ("EU",)),
    ("egress.jurisdictions", "[EEA]", "[EFTA]", ("IS", "LI", "NO")),
    ("recognizers.countries", "[CN]", "[US]", ("CN", "US")),
    ("recognizers.countries", "[CN]", "all", None),
    ("recognizers.except", "[reserved, private]", "[private]", ("private",)),
    (
        "recognizers.presidio.recognizers",
        "[UsSsnRecognizer]",
        "[UsItinRecognizer]",
        ("UsItinRecognizer", "UsSsnRecognizer"),
    ),
    ("recognizers.presidio.deadline_ms", "500", "900", 500),
    ("recognizers.presidio.engine", "none", "spacy", "spacy"),
    ("recognizers.presidio.engine", "stanza", "none", "stanza"),
    ("moderation.by", "off", "openai", "openai"),
    ("moderation.timeout_s", "9", "3", 3.0),
    ("moderation.cache_s", "100", "10", 10),
    ("endpoints.allow", "[files, batches]", "[files]", ("files",)),
    ("restore.tools", "[send, find]", "[send]", ("send",)),
    ("restore.tools", "[send]", '["*"]', ("send",)),
    ("endpoints.allow", "[files]", "[]", ()),
    ("traffic.limits.requests_per_minute", "200", "100", 100),
    ("traffic.limits.tokens_per_minute", "any", "100", 100),
    ("traffic.budget.usd_per_day", "200", "100", 100.0),
    ("traffic.budget.usd_per_day", "any", "100", 100.0),
    ("traffic.budget.tenant_usd_per_month", "any", "any", None),
    ("traffic.alerts.p99_s", "any", "2", 2.0),
    ("traffic.alerts.p999_s", "5", "4", 4.0),
    ("traffic.alerts.budget", "[50]", "[80, 100]", (50, 80, 100)),
    ("trace.keep", "400d", "300d", "300d"),
    ("trace.keep", "''", "60w", "420d"),
    ("trace.at_least", "180d", "365d", "365d"),
    ("trace.at_least", "''", "26w", "182d"),
]


def nested(key: str, value: str, head: str = "") -> str:
    path = key.split(".")
    lines = [f"{'  ' * depth}{part}:" for depth, part in enumerate(path)]
    return "\n".join([head, *lines[:-1], f"{lines[-1]} {value}"])


def value_of(policy: Policy, key: str) -> Any:
    node: Any = policy
    for part in key.split("."):
        node = getattr(node, "except_" if part == "except" else part)
    return tuple(sorted(node)) if isinstance(node, tuple) else node


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("key", "one", "two", "expected"), VALUES)
def test_of_two_values_the_stricter_holds(
    load_files: Load, key: str, one: str, two: str, expected: Any, turned: bool
) -> None:
    """Among packs the smaller limit, the fuller check and the common places hold, in either order."""
    first, second = (two, one) if turned else (one, two)
    limited = "extends: [./a.yaml, ./b.yaml]\ntraffic: {budget: {usd_per_month: 9}, limits: {concurrent: 9}}"
    loaded = load_files(a=nested(key, first), b=nested(key, second), c=limited)
    assert value_of(loaded.policy, key) == expected


@pytest.mark.parametrize(
    ("key", "pack", "own", "looser"),
    [
        ("mode", "enforce", "observe", True),
        ("moderation.timeout_s", "3", "9", True),
        ("moderation.timeout_s", "9", "3", False),
        ("moderation.by", "openai", "off", True),
        ("output.stream.hold", "window", "none", True),
        ("recognizers.countries", "[CN, US]", "[CN]", True),
        ("recognizers.countries", "[CN]", "all", False),
        ("recognizers.except", "[]", "[private]", True),
        ("endpoints.allow", "[]", "[files]", True),
        ("restore.tools", "[send]", '["*"]', True),
        ("restore.tools", '["*"]', "[send]", False),
        ("restore.hint", "false", "true", False),
        ("egress.mode", "enforce", "observe", True),
        ("moderation.model", "a", "b", False),
        ("traffic.budget.usd_per_day", "100", "200", True),
        ("traffic.budget.usd_per_day", "100", "any", True),
        ("traffic.budget.usd_per_day", "any", "100", False),
        ("traffic.retries.attempts", "2", "3", False),
        ("traffic.alerts.token_spike_percent", "30", "60", True),
        ("traffic.alerts.first_token_ms", "600", "500", False),
    ],
)
def test_a_value_that_a_file_writes_holds_and_is_listed_where_looser(
    load_files: Load, key: str, pack: str, own: str, looser: bool
) -> None:
    """A file's own value replaces its packs'; where it allows more, `guard policy check` lists it."""
    loaded = load_files(a=nested(key, pack), b=nested(key, own, "extends: [./a.yaml]"))
    alone = load_files(c=nested(key, own))
    assert value_of(loaded.policy, key) == value_of(alone.policy, key)
    assert [loosening.key for loosening in loaded.loosenings] == ([key] if looser else [])


def test_a_value_that_a_file_does_not_write_comes_from_its_packs(load_files: Load) -> None:
    """Values are inherited; who answers for a policy and approved it is not."""
    pack = "owner: ann\napproved_by: bob\nversion: '7'\nmoderation: {timeout_s: 3}\nmessages: {output: no}"
    policy = load_files(a=pack, b="extends: [./a.yaml]\nmessages: {input: never}").policy
    assert (policy.moderation.timeout_s, policy.messages.output, policy.messages.input) == (
        3.0,
        "no",
        "never",
    )
    assert (policy.policy, policy.owner, policy.approved_by, policy.version) == ("b", "", "", "")


def test_of_values_without_an_order_the_later_that_was_written_holds(load_files: Load) -> None:
    """Texts and names come from the last pack that writes them; a pack that does not is not asked."""
    one, two = (
        "moderation: {model: a}\nmessages: {input: one}",
        "moderation: {model: b}\nmessages: {input: ''}",
    )
    loaded = load_files(a=one, b=two, c="mode: enforce", d="extends: [./a.yaml, ./b.yaml, ./c.yaml]")
    assert (loaded.policy.moderation.model, loaded.policy.messages.input) == ("b", "one")
    assert loaded.values[("moderation", "model")][1] == "b.yaml:1"
    assert loaded.values[("messages", "input")][1] == "a.yaml:2"


def test_jurisdictions_always_intersect(load_files: Load) -> None:
    """A file narrows the places of its packs and never widens them."""
    pack = "egress: {jurisdictions: [EEA, CH]}"
    for own, expected in (("any", ("EEA", "CH")), ("[DE, US]", ("DE",)), ("[EU]", ("EU",))):
        text = f"extends: [./a.yaml]\negress: {{jurisdictions: {own}}}"
        assert load_files(a=pack, b=text).policy.egress.jurisdictions == expected


def test_hosts_and_routes_of_all_files_hold(load_files: Load) -> None:
    """Declarations join; a host that two packs declare is in all places of both, a file's own word replaces."""
    host = "egress: {hosts: {a.example: {processing: [%s], storage: [%s]}}}"
    loaded = load_files(a=host % ("DE", "DE"), b=host % ("FR", "DE"), c="extends: [./a.yaml, ./b.yaml]")
    assert loaded.policy.egress.hosts == {"a.example": Place(("DE", "FR"), ("DE",))}
    own = load_files(a=host % ("DE", "DE"), b="extends: [./a.yaml]\n" + host % ("US", "US"))
    assert own.policy.egress.hosts == {"a.example": Place(("US",), ("US",))}
    assert [loosening.key for loosening in own.loosenings] == ["egress.hosts"]
    route = "routes: {'POST /%s': {input: [$.%s]}}"
    joined = load_files(a=route % ("a", "q"), b=route % ("a", "r"), c="extends: [./a.yaml, ./b.yaml]")
    assert joined.policy.routes["POST /a"].input == ("$.q", "$.r")


def test_a_route_of_two_packs_is_read_wherever_one_of_them_reads(load_files: Load) -> None:
    """A route without paths is read everywhere, and only what both packs leave out stays unread."""
    one = "routes: {'POST /a': {except: {input: [$.id, $.at], output: [$.id]}}}"
    two = "routes: {'POST /a': {input: [$.q], except: {input: [$.id]}}}"
    route = load_files(a=one, b=two, c="extends: [./a.yaml, ./b.yaml]").policy.routes["POST /a"]
    assert route.inward == (("$", "$.q"), ("$.id",))
    assert route.outward == (("$",), ())
    own = load_files(a=one, b="extends: [./a.yaml]\n" + two)
    assert own.policy.routes["POST /a"].outward == ((), ())
    assert [loosening.key for loosening in own.loosenings] == ["routes"]


def test_own_recognizers_of_all_files_hold(load_files: Load) -> None:
    """A pack's recognizers are kept, its kinds are known to who extends it, one of the same name is replaced."""
    one = "recognizers: {custom: [{name: badge, pattern: 'A-[0-9]+', kind: pii.acme.badge}]}"
    own = (
        "extends: [./a.yaml]\ninput: {rules: {pii.acme.badge: block}}\n"
        "recognizers: {custom: [{name: badge, pattern: 'B-[0-9]+', kind: pii.acme.badge},"
        " {name: other, pattern: 'C-[0-9]+', kind: pii.acme.other}]}"
    )
    policy = load_files(a=one, b=own).policy
    assert [custom.pattern for custom in policy.recognizers.custom] == ["B-[0-9]+", "C-[0-9]+"]
    assert action(policy, "pii.acme.badge") is B


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (
            "extends: [./a.yaml]\negress: {jurisdictions: [CN]}",
            "b.yaml:2:egress.jurisdictions: leaves no place",
        ),
        ("extends: [./a.yaml, ./c.yaml]", "b.yaml:1:extends: no place is in both [EEA] (a.yaml:1)"),
    ],
)
def test_an_empty_intersection_refuses_to_load(write: Write, own: str, expected: str) -> None:
    """Lists of jurisdictions with no place in common are a mistake, not a policy that admits nothing."""
    write("a.yaml", "egress: {jurisdictions: [EEA]}")
    write("c.yaml", "egress: {jurisdictions: [CN]}")
    with pytest.raises(PolicyError) as caught:
        load(write("b.yaml", own))
    assert expected in str(caught.value)


def test_what_fits_alone_but_not_together_is_a_mistake_of_the_file(write: Write) -> None:
    """Values of file and pack that contradict each other are named with the file's line."""
    write("a.yaml", "output: {stream: {first: 2, step: 4}}")
    path = write("b.yaml", "extends: [./a.yaml]\noutput:\n  stream: {first: 8}\n")
    with pytest.raises(PolicyError, match=r"b\.yaml:3:output\.stream: first is larger than step"):
        load(path)


def test_a_circle_is_refused_where_it_closes(write: Write) -> None:
    """Files that extend each other are refused with file and line, a file that extends itself too."""
    write("a.yaml", "extends:\n- ./b.yaml\n")
    write("b.yaml", "policy: b\nextends: [./a.yaml]\n")
    with pytest.raises(PolicyError, match=r"b\.yaml:2:extends\[0\]: a\.yaml extends this file in turn"):
        load(write("c.yaml", "extends: [./a.yaml]"))
    with pytest.raises(PolicyError, match=r"d\.yaml:1:extends\[0\]: d\.yaml extends this file in turn"):
        load(write("d.yaml", "extends: [./d.yaml]"))


def test_a_diamond_is_no_circle(load_files: Load) -> None:
    """Two packs may share a third."""
    loaded = load_files(
        a=rules("pii.*: flag"),
        b="extends: [./a.yaml]",
        c="extends: [./a.yaml]",
        d="extends: [./b.yaml, ./c.yaml]",
    )
    assert action(loaded.policy, "pii.email") is F
    assert [path.name for path in loaded.files] == ["a.yaml", "b.yaml", "c.yaml", "d.yaml"]


def test_the_mistakes_of_a_pack_come_with_its_own_file_and_line(write: Write) -> None:
    """Extending a broken file reports that file's problems beside one's own, each once."""
    write("a.yaml", "mode: on\n")
    with pytest.raises(PolicyError) as caught:
        load(write("b.yaml", "extends: [./a.yaml, ./a.yaml, ./none.yaml, defalt]\nmood: x\n"))
    found = [problem.rsplit("/", 1)[-1] for problem in caught.value.problems]
    assert [problem.split(": ")[0] for problem in found] == [
        "b.yaml:1:extends[2]",
        "b.yaml:1:extends[3]",
        "b.yaml:2:mood",
        "a.yaml:1:mode",
    ]


@pytest.mark.parametrize("own", ["", "  at_least: none\n"])
def test_strict_refuses_to_release_before_the_judge(load_files: Load, own: str) -> None:
    """What extends `strict` cannot choose `hold: none`, nor take the bound away; `full` it may choose."""
    stream = "extends: [strict]\noutput:\n stream:\n  hold: none\n"
    with pytest.raises(PolicyError) as caught:
        load_files(a=stream + own)
    assert str(caught.value).endswith(
        "/a.yaml:3:output.stream: hold: none releases text that at_least: window holds back: write hold: window"
    )
    assert load_files(a=stream.replace("none", "full")).policy.output.stream.at_least == "window"


def test_of_two_lists_of_tools_the_tools_of_both_are_left(load_files: Load) -> None:
    """D28: `*` names all; packs intersect, and a file that names more than its pack loosens it."""
    tools = "output: {tools: [%s]}"
    joined = load_files(
        a=tools % "search, mail", b=tools % "search, shell", c="extends: [./a.yaml, ./b.yaml]"
    )
    assert joined.policy.output.tools == ("search",)
    own = load_files(a=tools % "search", b="extends: [./a.yaml]\n" + tools % "'*'")
    assert own.policy.output.tools == ("*",)
    assert [loosening.key for loosening in own.loosenings] == ["output.tools"]
    assert load_files(a="mode: enforce", b="extends: [./a.yaml]\n" + tools % "search").loosenings == ()


def test_nothing_takes_back_how_long_the_record_must_be_kept(load_files: Load) -> None:
    """A longer `at_least` wins over a shorter one, the file's own too, and over what another pack keeps; a file that
    keeps for less does not load.
    """
    pack = "trace: {at_least: 365d}"
    shorter = load_files(a=pack, b="extends: [./a.yaml]\ntrace: {at_least: 30d}").policy.trace
    assert shorter.at_least == "365d"
    with pytest.raises(PolicyError) as caught:
        load_files(a=pack, b="extends: [./a.yaml]\ntrace:\n  keep: 40w")
    assert str(caught.value).endswith(
        "b.yaml:2:trace: keep: 280d is less than at_least: 365d: write keep: 365d, or longer"
    )
    kept = load_files(a="trace: {keep: 400d}", b="extends: [./a.yaml]\ntrace: {keep: 500d}")
    assert kept.policy.trace.keep == "500d"
    assert [loosening.key for loosening in kept.loosenings] == ["trace.keep"]
    both = load_files(a=pack, b="trace: {keep: 100d}", c="extends: [./a.yaml, ./b.yaml]")
    assert both.policy.trace.keep == "365d"
    assert both.values[("trace", "keep")] == ("365d", "a.yaml:1")
    longer = load_files(a=pack, b="trace: {keep: 500d}", c="extends: [./a.yaml, ./b.yaml]")
    assert longer.policy.trace.keep == "500d"
    own = load_files(b="trace: {keep: 100d}", c="extends: [./b.yaml]\ntrace: {at_least: 26w}").policy.trace
    assert (own.keep, own.at_least) == ("182d", "182d")
