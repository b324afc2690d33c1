"""What each regime asks of such a record, article by article, and which named questions answer it. Data.

Sources: the regimes' own texts as quoted in docs/audit.md. An article that no question answers alone says what
else does. This is no legal advice: who is responsible reads the article.
"""

from __future__ import annotations

from dataclasses import dataclass

from guard.audit.named import QUESTIONS


@dataclass(frozen=True, slots=True)
class Asked:
    """A named question with the parameters that a regime needs."""

    question: str
    region: str = ""

    @property
    def name(self) -> str:
        """What its answer is called in a pack."""
        return f"{self.question}-{self.region.lower()}" if self.region else self.question


@dataclass(frozen=True, slots=True)
class Article:
    """One duty: where it stands, what it asks, the questions that answer it, and what else does."""

    article: str
    asks: str
    questions: tuple[Asked, ...]
    also: str = ""


@dataclass(frozen=True, slots=True)
class Regime:
    """A law or standard by its short name, and its articles."""

    name: str
    title: str
    articles: tuple[Article, ...]

    @property
    def questions(self) -> tuple[Asked, ...]:
        """Every question of it, once, in the order of the articles."""
        return tuple(dict.fromkeys(asked for article in self.articles for asked in article.questions))


def _asked(names: str) -> tuple[Asked, ...]:
    """Read `left-region:EEA recipients`."""
    parts = (name.partition(":") for name in names.split())
    return tuple(Asked(question, region) for question, _, region in parts)


def _article(article: str, asks: str, names: str, also: str = "") -> Article:
    return Article(article, asks, _asked(names), also)


_VERIFY = "verify.json and heads/: nothing was changed, removed, moved or cut"

_ALL = (
    Regime(
        "gdpr",
        "GDPR, Regulation (EU) 2016/679",
        (
            _article(
                "Art. 5(1)(c)", "data minimisation: what was taken out", "findings-by-kind data-categories"
            ),
            _article(
                "Art. 5(2)",
                "accountability: which rules decided, and who changed them",
                "policy-versions policy-changes blocked-by-rule observed-only waived",
                _VERIFY,
            ),
            _article(
                "Art. 15, 17",
                "access and erasure, on record",
                "life",
                "`guard audit find` and `guard audit erase`, with the key",
            ),
            _article("Art. 30(1)(c)", "categories of personal data", "data-categories"),
            _article("Art. 30(1)(d)", "recipients", "recipients"),
            _article("Art. 30(1)(e), 44", "transfers to third countries", "left-region:EEA residency-refusals"),
            _article("Art. 30(1)(f)", "erasure: what was deleted when", "life"),
            _article(
                "Art. 32",
                "protection before the transfer; failures of it",
                "unscreened-bytes checks failed-open failed-closed reveals log-reads",
            ),
        ),
    ),
    Regime(
        "hipaa",
        "HIPAA Security and Privacy Rules, 45 CFR 164",
        (
            _article(
                "164.312(b)",
                "audit controls: activity is recorded and examined",
                "who-used-which-model life log-reads without-intent unknown-outcome",
            ),
            _article("164.312(c)(1)", "integrity", "gaps ended-badly", _VERIFY),
            _article("164.308(a)(1)(ii)(D)", "review of activity", "blocked-by-rule errors reveals log-reads"),
            _article(
                "164.514(b)(2)",
                "which identifiers were found and removed",
                "findings-by-kind data-categories unscreened-bytes",
                "docs/hipaa.md says what text cannot cover",
            ),
            _article("164.316(b)(2)(i)", "six years of documents", "life policy-versions"),
        ),
    ),
    Regime(
        "pci",
        "PCI DSS 4.0.1",
        (
            _article("3.4.1, 3.5.1.1", "card numbers: found, masked, sent", "findings-by-kind data-categories"),
            _article("10.2.1.1", "who had access", "who-used-which-model reveals"),
            _article("10.2.1.3", "access to audit logs", "log-reads"),
            _article("10.2.1.6", "start, stop and pause of audit logs", "life ended-badly"),
            _article("10.2.2", "user, event, time, success or failure, origin, resource", "blocked outcomes-by-day"),
            _article("10.3.4", "change detection on logs", "gaps", _VERIFY),
            _article("10.5.1", "twelve months of logs", "life"),
            _article(
                "10.7.2", "failures of critical security controls", "failed-open failed-closed errors unknown-outcome"
            ),
        ),
    ),
    Regime(
        "pipl",
        "PIPL (China), and the CAC's provisions of 22 March 2024",
        (
            _article(
                "Art. 38–40; CAC 2024",
                "distinct persons sent abroad since 1 January, sensitive ones",
                "transfers left-region:CN",
                "persons are counted by distinct values: one person may have several",
            ),
            _article("Art. 23, 39", "recipients, and where they are", "recipients residency-refusals"),
            _article("Art. 45, 47", "access and deletion, on record", "life", "`guard audit find`, `erase`"),
            _article("Art. 51", "security measures, failures of them", "unscreened-bytes checks failed-open reveals"),
            _article("Art. 54", "regular audits", "log-reads policy-changes gaps", _VERIFY),
            _article("Art. 55, 56", "record of processing", "data-categories findings-by-kind"),
        ),
    ),
    Regime(
        "eu-ai-act",
        "EU AI Act, Regulation (EU) 2024/1689",
        (
            _article(
                "Art. 12(1)",
                "automatic recording of events over the lifetime",
                "life policy-versions without-intent unknown-outcome",
                _VERIFY,
            ),
            _article(
                "Art. 12(2)(a)", "situations of risk", "blocked-by-rule observed-only failed-open residency-refusals"
            ),
            _article("Art. 12(2)(b), 72", "post-market monitoring", "findings-by-day outcomes-by-day policy-changes"),
            _article("Art. 12(2)(c), 26(5)", "monitoring of the operation", "checks failed-closed errors latency"),
            _article("Art. 19, 26(6)", "logs kept for six months at least", "life gaps ended-badly"),
        ),
    ),
)  # fmt: skip

REGIMES: dict[str, Regime] = {regime.name: regime for regime in _ALL}

EVERY = Regime(
    "all",
    "Every named question that needs no parameter",
    (
        Article(
            "–",
            "whatever the record can tell by itself",
            tuple(
                Asked(question.name)
                for question in QUESTIONS.values()
                if all(parameter.default is not None for parameter in question.parameters)
            ),
            _VERIFY,
        ),
    ),
)
