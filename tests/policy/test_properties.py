"""Laws of combining, over drawn rules: extending never loosens what is not named, packs combine as a set."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from guard.kinds import exactness, matches
from guard.policy.decide import decide
from guard.policy.model import Policy
from guard.policy.names import default_at
from guard.policy.rules import FORMS, RESTORABLE, Rule, combine, is_looser, stricter
from guard.policy.ruleset import Table, built_in, extend, own_table, resolved, shares, union
from guard.types import Action, Finding, Redaction, Stage

READ: TypeAdapter[Rule] = TypeAdapter(Rule)
SCORES = [0.0, 0.1, 0.3, 0.5, 0.8, 1.0]
KINDS = [
    "pii.card",
    "pii.cn.plate",
    "pii.email",
    "pii.url",
    "secret.jwt",
    "guard.opaque.image",
    "guard.opaque.audio",
]
PATTERNS = [
    "*",
    "pii.*",
    "pii.c*",
    "pii.car*",
    "pii.card",
    "pii.email",
    "pii.url",
    "secret.*",
    "guard.*",
    "guard.opaque.image",
]
PROBES = [score for at in SCORES for score in (at, at + 0.05)]

modes = st.sampled_from(["enforce", "observe"])


@st.composite
def written(draw: st.DrawFn, *, spans: bool = True) -> object:
    """A rule as a file may have it."""
    actions = ["flag", "redact", "block"] if spans else ["flag", "block"]
    if draw(st.booleans()):
        return draw(st.sampled_from(["allow", *actions]))
    steps = draw(st.lists(st.sampled_from(actions), min_size=1, unique=True))
    ats = sorted(
        draw(st.lists(st.sampled_from(SCORES), min_size=len(steps), max_size=len(steps), unique=True))
    )
    rule: dict[str, object] = dict(zip(sorted(steps, key=actions.index), ats, strict=True))
    if "redact" in rule:
        rule["as"] = draw(st.sampled_from(FORMS))
        rule["restore"] = rule["as"] in RESTORABLE and draw(st.booleans())
    return rule | {"mode": draw(modes)}


@st.composite
def files(draw: st.DrawFn) -> dict[str, Rule]:
    """The rules of one file."""
    patterns = draw(st.lists(st.sampled_from(PATTERNS), unique=True, max_size=4))
    return {p: READ.validate_python(draw(written(spans=p.startswith(("pii", "secret"))))) for p in patterns}


@dataclass(frozen=True)
class Tree:
    """A file and what it extends."""

    rules: dict[str, Rule]
    packs: tuple[Tree, ...] = ()


trees = st.recursive(
    st.builds(Tree, files()),
    lambda below: st.builds(Tree, files(), st.lists(below, max_size=3).map(tuple)),
    max_leaves=6,
)


def table(tree: Tree) -> Table:
    base = union(table(pack) for pack in tree.packs) if tree.packs else built_in("input")
    return extend(base, own_table("input", tree.rules, lambda pattern: "f:1"))


def at(found: Table, kind: str) -> Rule:
    return combine(share.rule for share in shares(found, kind))


def plainly(tree: Tree, kind: str) -> list[tuple[tuple[int, int], Rule]]:
    """The semantics of the design, kind by kind and without tables: what each file says, and how exactly."""
    below = [share for pack in tree.packs for share in plainly(pack, kind)]
    if not tree.packs and kind.startswith("guard."):
        below = [((-1, -1), READ.validate_python({"block": 0}))]
    named = max((p for p in tree.rules if matches(p, kind)), key=exactness, default=None)
    if named is None:
        return below
    own = tree.rules[named].placed(default_at(kind), named, "f:1")
    return [*(share for share in below if share[0] > exactness(named)), (exactness(named), own)]


@settings(max_examples=60)
@given(trees, st.sampled_from(KINDS))
def test_tables_mean_what_the_design_says(tree: Tree, kind: str) -> None:
    """The compiled tables decide as the plain reading of the design does, for every kind and score."""
    plain = combine(rule for _, rule in plainly(tree, kind))
    assert [at(table(tree), kind).step(s).meaning()[1:] for s in PROBES] == [
        plain.step(s).meaning()[1:] for s in PROBES
    ]


@settings(max_examples=40)
@given(trees, files())
def test_extending_never_loosens_what_is_not_named_as_exactly(base: Tree, own: dict[str, Rule]) -> None:
    """A kind that the file does not name, or names less exactly than the packs, is never treated more loosely."""
    before, after = table(base), table(Tree(own, (base,)))
    for kind in KINDS:
        named = max((exactness(p) for p in own if matches(p, kind)), default=(-2, -2))
        if all(share.exactness > named for share in shares(before, kind)):
            assert not is_looser(at(after, kind), at(before, kind))
        if named == (-2, -2):
            assert at(after, kind).meaning() == at(before, kind).meaning()


@settings(max_examples=40)
@given(trees, files())
def test_extending_always_tightens(base: Tree, own: dict[str, Rule]) -> None:
    """What a file asks for holds at least, whatever its packs say."""
    alone, over = own_table("input", own, lambda pattern: "f:1"), table(Tree(own, (base,)))
    assert not any(is_looser(at(over, kind), at(alone, kind)) for kind in KINDS)


@settings(max_examples=30)
@given(st.lists(trees, min_size=1, max_size=3))
def test_together_packs_are_never_looser_than_one_of_them(packs: list[Tree]) -> None:
    """Adding a pack never loosens what another says, guard.* by default included."""
    joined = union(table(pack) for pack in packs)
    for kind in KINDS:
        assert not any(is_looser(at(joined, kind), at(table(pack), kind)) for pack in packs)


@settings(max_examples=30)
@given(st.permutations(range(3)), st.tuples(trees, trees, trees))
def test_the_order_of_packs_does_not_matter(order: list[int], packs: tuple[Tree, Tree, Tree]) -> None:
    """Packs combine as a set: in any order, and grouped in any way."""
    tables = [table(pack) for pack in packs]
    forward = resolved(union(tables))
    turned = resolved(union(tables[index] for index in order))
    grouped = resolved(union([union(tables[:2]), tables[2]]))
    meanings = [{p: rule.meaning() for p, rule in found.items()} for found in (forward, turned, grouped)]
    assert meanings[0] == meanings[1] == meanings[2]


rules = written().map(READ.validate_python).map(lambda rule: rule.placed(0.5, "p", "f:1"))


@given(rules, rules, rules)
def test_combining_is_commutative_associative_and_idempotent(a: Rule, b: Rule, c: Rule) -> None:
    """Combining rules is the join of a lattice."""
    assert combine([a, b]) == combine([b, a])
    assert combine([combine([a, b]), c]).meaning() == combine([a, combine([b, c])]).meaning()
    assert combine([a, a]).meaning() == combine([a]).meaning()


@given(rules, rules, st.sampled_from(PROBES))
def test_combining_takes_the_greater_action_at_every_score(a: Rule, b: Rule, score: float) -> None:
    """At every score the combined rule says and enforces the greater of the two."""
    both, one, two = combine([a, b]).step(score), a.step(score), b.step(score)
    assert both.action is max(one.action, two.action)
    assert both.enforced is max(one.enforced, two.enforced)
    if Action.REDACT is both.enforced:
        found = [step.redaction for step in (one, two) if step.enforced is Action.REDACT]
        assert both.redaction == stricter(found)


redactions = st.builds(
    lambda form, back: Redaction(form, back and form in RESTORABLE), st.sampled_from(FORMS), st.booleans()
)


@given(st.lists(redactions, min_size=1, max_size=4))
def test_the_stricter_redaction_stays_legal(found: list[Redaction]) -> None:
    """Restoring never survives a form that cannot be restored."""
    result = stricter(found)
    assert result.form in RESTORABLE or not result.restore
    assert all(FORMS.index(result.form) >= FORMS.index(redaction.form) for redaction in found)


@given(files(), modes, st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(PROBES)), max_size=6))
def test_a_verdict_is_the_maximum_over_its_findings(
    own: dict[str, Rule], mode: str, drawn: list[tuple[str, float]]
) -> None:
    """Deciding over several findings is deciding over each, and taking the greatest."""
    policy = Policy.model_validate({"mode": mode, "input": {"rules": own}})
    found = [Finding(kind, 0, 1, score, "test") for kind, score in drawn]
    together = decide(policy, Stage.INPUT, found)
    apart = [decide(policy, Stage.INPUT, [one]) for one in found]
    assert together.action == max((verdict.action for verdict in apart), default=Action.ALLOW)
    assert together.enforced == max((verdict.enforced for verdict in apart), default=Action.ALLOW)
    assert together.enforced <= together.action
    if mode == "observe":
        assert together.enforced <= Action.FLAG
