"""The index of an evidence pack: one static page that loads nothing, for reading on paper or on a screen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guard.audit.pack import Answer, Pack
    from guard.audit.regimes import Article

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
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
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


def page(pack: Pack) -> str:
    """Write the index of a pack as HTML; every text from the record is escaped."""
    title = f"Evidence: {pack.order.regime.title}"
    parts = [
        f"{_HEAD}<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *_facts(pack),
        *_verified(pack),
        "<h2>What each article asks, and what answers it</h2>",
        _table(
            ("Article", "Asks", "Answered by"),
            [_article(pack, article) for article in pack.order.regime.articles],
        ),
        "<h2>How to check this pack</h2>",
        _table(
            ("Run", "It shows that"), [(f"<code>{escape(run)}</code>", escape(what)) for run, what in _CHECK]
        ),
        "<h2>What it does not prove</h2>",
        f"<ul>{''.join(f'<li>{escape(limit)}</li>' for limit in _LIMITS)}</ul>",
        "<h2>The answers</h2>",
        '<p class="quiet">Times are UTC. The files hold every row; here are the first of each.</p>',
        *(part for answer in pack.answers.values() for part in _answer(answer)),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _checks() -> list[tuple[str, str]]:
    return [(f"<code>{escape(run)}</code>", escape(what)) for run, what in _CHECK]


def _facts(pack: Pack) -> Iterable[str]:
    order = pack.order
    facts = {
        "From": _moment(order.since),
        "Until": _moment(order.until),
        "Tenant": order.tenant or "all",
        "Exports": str(order.exports.name),
        "Made": f"{pack.made:%Y-%m-%d %H:%M} UTC",
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    yield f"<dl>{rows}</dl>"


def _moment(text: str) -> str:
    """A time of an order to the second; the start of the epoch is no time that anybody means."""
    return "the beginning" if text.startswith("1970-01-01T00:00") else f"{text[:19].replace('T', ' ')} UTC"


def _verified(pack: Pack) -> Iterable[str]:
    report = pack.report
    count = f"{report.records:,} records, {report.signed:,} of them proved by a signature, files: {report.files:,}"
    if report.ok:
        yield f'<p><strong class="ok">✓ intact</strong>: {count} (<a href="verify.json">verify.json</a>)</p>'
    else:
        yield (
            f'<p><strong class="bad">✗ {len(report.problems):,} problems</strong>: {count}'
            ' (<a href="verify.json">verify.json</a>)</p>'
        )
    told = [*map(str, report.problems[:20]), *report.notes[:20]]
    if told:
        yield f'<ul class="quiet">{"".join(f"<li>{escape(one)}</li>" for one in told)}</ul>'


def _article(pack: Pack, article: Article) -> tuple[str, str, str]:
    answers = [pack.answers[asked.name] for asked in article.questions]
    links = [f'<a href="#{one.asked.name}">{one.asked.name}</a> ({_rows(one)})' for one in answers]
    also = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(article.also))
    return escape(article.article), escape(article.asks), "; ".join(filter(None, [", ".join(links), also]))


def _answer(answer: Answer) -> Iterable[str]:
    yield f'<h3 id="{answer.asked.name}">{answer.asked.name}</h3>'
    yield f'<p>{escape(answer.about)} <a href="{answer.file}">{answer.file}</a>, {_rows(answer)}</p>'
    if answer.first:
        rows = [tuple(map(escape, row)) for row in answer.first]
        yield f'<div class="wide">{_table(answer.columns, rows)}</div>'


def _rows(answer: Answer) -> str:
    return "1 row" if answer.rows == 1 else f"{answer.rows:,} rows"


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML already."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{one}</td>' for one in row)}</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"
