"""The index of an evidence pack: one static page that loads nothing, for reading on paper or on a screen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guard.audit.pack import Answer, Pack
    from guard.audit.regimes import Article
    from guard.audit.verify import Report

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2024;background:#fff;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:1.6rem 0 .2rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;
border-bottom:1px solid #d8dce0}th{font-weight:600}.wide{overflow-x:auto}.wide table{font-size:12px;width:auto}
.wide td,.wide th{white-space:nowrap;padding-right:1rem}code{font-size:.9em;background:#f1f3f5;padding:.1em .3em;
overflow-wrap:anywhere}p{margin:.4rem 0}.quiet{color:#5a6169}.ok{color:#0a6640}.bad{color:#a4161a}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:1rem 0}dt{color:#5a6169}dd{margin:0}
code{white-space:pre-wrap}.plain td:first-child{width:55%}
@media print{body{margin:0;max-width:none}.wide{overflow:visible}}
"""

_HEAD = (
    '<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    '<meta name="viewport" content="width=device-width,initial-scale=1">'
)

_CHECK = (
    (
        "sha256sum -c SHA256SUMS",
        "no file of this pack was changed",
    ),
    (
        "openssl pkeyutl -verify -pubin -inkey guard.pub.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig",
        "the installation signed these sums (where SHA256SUMS.sig is here)",
    ),
    ("python verify.py EXPORTS guard.pub.pem", "the exports are whole, without guard"),
    (
        "guard audit verify EXPORTS --key guard.pub.pem --heads heads/",
        "the same, and that nothing was cut since this pack was made",
    ),
    (
        "duckdb -cmd \"SET VARIABLE exports = 'EXPORTS/*.jsonl'\" -init audit.sql",
        "ask the exports yourself, without guard",
    ),
)

_LIMITS = (
    "That no call went round guard: only the provider's own account can show it (guard audit reconcile).",
    "That nothing personal was overlooked: findings are what was found.",
    "That who holds the signing key wrote no other history: heads that they cannot reach show it.",
    "That the law is met: questions answer what an article asks about; a person judges.",
)


Say = Callable[[str], str]
"""A sentence in the reader's language."""


def page(pack: Pack, say: Say = str, language: str = "en") -> str:
    """Write the index of a pack as HTML, in a language and as `say` has it; texts from the record are escaped."""
    regime = say(pack.order.regime.title)
    title = say(f"Evidence: {regime}")
    parts = [
        f"{_HEAD.format(language=language)}<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *_facts(pack, say),
        *_verified(pack, say),
        _heading(say("What each article asks, and what answers it")),
        _table(
            map(say, ("Article", "Asks", "Answered by")),
            [_article(pack, article, say) for article in pack.order.regime.articles],
        ),
        _heading(say("How to check this pack")),
        _table(map(say, ("Run", "It shows that")), _checks(say)),
        _heading(say("What it does not prove")),
        f"<ul>{''.join(f'<li>{escape(say(limit))}</li>' for limit in _LIMITS)}</ul>",
        _heading(say("The answers")),
        _quiet(say("Times are UTC. The files hold every row; here are the first of each.")),
        *(part for answer in pack.answers.values() for part in _answer(answer, say)),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def _quiet(text: str) -> str:
    return f'<p class="quiet">{escape(text)}</p>'


def _checks(say: Say) -> list[tuple[str, str]]:
    return [(f"<code>{escape(run)}</code>", escape(say(what))) for run, what in _CHECK]


def _facts(pack: Pack, say: Say) -> Iterable[str]:
    order = pack.order
    facts = {
        "From": _moment(order.since, say),
        "Until": _moment(order.until, say),
        "Tenant": order.tenant or say("all"),
        "Exports": str(order.exports.name),
        "Made": f"{pack.made:%Y-%m-%d %H:%M} UTC",
    }
    rows = "".join(f"<dt>{escape(say(name))}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    yield f"<dl>{rows}</dl>"


def _moment(text: str, say: Say) -> str:
    """A time of an order to the second; the start of the epoch is no time that anybody means."""
    return (
        say("the beginning") if text.startswith("1970-01-01T00:00") else f"{text[:19].replace('T', ' ')} UTC"
    )


def _verified(pack: Pack, say: Say) -> Iterable[str]:
    report = pack.report
    count = say(
        f"{report.records:,} records, {report.signed:,} of them proved by a signature, files: {report.files:,}"
    )
    style, mark = ("ok", "✓ " + say("intact")) if report.ok else ("bad", "✗ " + _problems(report, say))
    verdict = f'<strong class="{style}">{escape(mark)}</strong>: {escape(count)}'
    yield f'<p>{verdict} (<a href="verify.json">verify.json</a>)</p>'
    told = [*(one.said(say) for one in report.problems[:20]), *map(say, report.notes[:20])]
    if told:
        yield f'<ul class="quiet">{"".join(f"<li>{escape(one)}</li>" for one in told)}</ul>'


def _problems(report: Report, say: Say) -> str:
    return say(f"{len(report.problems):,} problems")


def _article(pack: Pack, article: Article, say: Say) -> tuple[str, str, str]:
    answers = [pack.answers[asked.name] for asked in article.questions]
    links = [f'<a href="#{one.asked.name}">{one.asked.name}</a> ({_rows(one, say)})' for one in answers]
    also = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(say(article.also)))
    answered = "; ".join(filter(None, [", ".join(links), also]))
    return escape(say(article.article)), escape(say(article.asks)), answered


def _answer(answer: Answer, say: Say) -> Iterable[str]:
    yield f'<h3 id="{answer.asked.name}">{answer.asked.name}</h3>'
    where = f'<a href="{answer.file}">{answer.file}</a>, {_rows(answer, say)}'
    yield f"<p>{escape(say(answer.about))} {where}</p>"
    if answer.first:
        rows = [tuple(map(escape, row)) for row in answer.first]
        yield f'<div class="wide">{_table(answer.columns, rows)}</div>'


def _rows(answer: Answer, say: Say) -> str:
    return say("1 row" if answer.rows == 1 else f"{answer.rows:,} rows")


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML already."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{one}</td>' for one in row)}</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"
