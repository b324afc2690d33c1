# ruff: noqa: E501
"""Measure detection beside Presidio's default English pattern recognizers on the same texts, in the same run.

    python benchmarks/detect.py [--quick] [--json FILE]

CPU time, the median of interleaved rounds. Presidio runs with its NoOp engine and every recognizer that its default
English registry loads (no model). Exits with 1 when a target is missed, with 3 when the peer is not installed.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

SEED = 20261125
TARGETS = {"clean English 1 KB": 300, "full of findings 1 KB": 60}
"""How many times faster than Presidio, at least."""

WORDS = """
the of and to in for with on that from this which their about after before while because through between during under
team market report garden window river season teacher bridge music letter question answer morning winter summer project
history science machine paper picture village kitchen travel student company method change reason number system person
write explain describe compare summarise improve translate suggest consider discuss prepare finish begin follow carry
small large early simple careful bright quiet modern common useful strong gentle ancient foreign local public private
""".split()

HANZI = (
    "今天天气很好我们一起去公园散步请帮我写一封关于会议安排的邮件并总结主要内容这个项目需要更多时间完成"
    "大家认为应该先讨论方案再决定下一步计划老师说学生们在图书馆里认真阅读历史书籍城市交通越来越方便"
)


def sentence(rng: random.Random) -> str:
    """One clean English sentence."""
    words = [rng.choice(WORDS) for _ in range(rng.randint(7, 16))]
    return " ".join(words).capitalize() + rng.choice([". ", ". ", "? ", ", and so on. "])


def clean(rng: random.Random, size: int) -> str:
    """English prose without a digit."""
    return grown(rng, size, sentence)


def grown(rng: random.Random, size: int, piece: Callable[[random.Random], str]) -> str:
    """Pieces until the size is reached, cut to it."""
    parts: list[str] = []
    length = 0
    while length < size:
        parts.append(piece(rng))
        length += len(parts[-1])
    return "".join(parts)[:size]


def prompt(rng: random.Random) -> str:
    """A piece as people send it to a model: prose, lists, code, numbers and dates that are nobody's."""
    form = rng.randint(0, 9)
    if form == 0:
        return f"{rng.randint(1, 9)}. {sentence(rng)}\n"
    if form == 1:
        return f"```python\nfor {rng.choice('ijkn')} in range({rng.randint(2, 500)}):\n    total += items[{rng.randint(0, 9)}]\n```\n"
    if form == 2:
        return f"In {rng.randint(1900, 2026)} about {rng.randint(2, 95)}% of {rng.randint(1000, 99999)} {rng.choice(WORDS)}s. "
    if form == 3:
        return f"See https://docs.{rng.choice(WORDS)}.org/{rng.choice(WORDS)}/v{rng.randint(1, 9)}.{rng.randint(0, 20)} (README.md). "
    return sentence(rng)


def digits(rng: random.Random, count: int) -> str:
    """Random digits that do not begin with 0."""
    return str(rng.randint(1, 9)) + "".join(str(rng.randint(0, 9)) for _ in range(count - 1))


def card(rng: random.Random) -> str:
    """A Visa number that passes Luhn."""
    body = "4" + digits(rng, 14)
    doubled = (int(c) * (2 if i % 2 == 0 else 1) for i, c in enumerate(body))
    number = body + str(-sum(n - 9 if n > 9 else n for n in doubled) % 10)
    return " ".join(number[i : i + 4] for i in range(0, 16, 4)) if rng.random() < 0.5 else number


def iban(rng: random.Random) -> str:
    """A German IBAN with its check digits."""
    account = digits(rng, 18)
    return f"DE{98 - int(account + '131400') % 97:02d}{account}"


def resident_id(rng: random.Random) -> str:
    """A Chinese resident id with its check character."""
    body = f"{rng.choice([110101, 310104, 440106, 510107])}19{rng.randint(60, 99)}0{rng.randint(1, 9)}{rng.randint(10, 28)}"
    body += f"{rng.randint(100, 999)}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(c) * w for c, w in zip(body, weights, strict=True)) % 11]


def english_finding(rng: random.Random) -> str:
    """One value in a short English phrase."""
    word = rng.choice(WORDS)
    forms: list[Callable[[], str]] = [
        lambda: f"mail {word}.{rng.choice(WORDS)}{rng.randint(1, 99)}@{rng.choice(WORDS)}mail.com ",
        lambda: f"call ({rng.randint(201, 989)}) {rng.randint(200, 989)}-{rng.randint(1000, 9999)} ",
        lambda: f"or +44 20 7{rng.randint(100, 999)} {rng.randint(1000, 9999)} ",
        lambda: f"card {card(rng)} ",
        lambda: f"SSN {rng.randint(101, 665)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)} ",
        lambda: f"IBAN {iban(rng)} ",
        lambda: f"from {rng.randint(11, 99)}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)} ",
        lambda: f"key sk-proj-{''.join(rng.choices('abcdefghijkmnpqrstuvwxyzABCDEFGH23456789', k=40))} ",
    ]
    return rng.choice(forms)() + " ".join(rng.choice(WORDS) for _ in range(6)) + ". "


def chinese_clean(rng: random.Random) -> str:
    """A clause of Hanzi."""
    start = rng.randint(0, len(HANZI) - 20)
    return HANZI[start : start + rng.randint(6, 18)] + rng.choice("，。；")


def chinese_finding(rng: random.Random) -> str:
    """One value in a Chinese clause."""
    forms: list[Callable[[], str]] = [
        lambda: f"我的身份证号是{resident_id(rng)}",
        lambda: f"电话1{rng.choice('35789')}{digits(rng, 9)}",
        lambda: f"邮箱{rng.choice(WORDS)}{rng.randint(1, 99)}@qq.com",
        lambda: f"银行卡号{card(rng)}",
        lambda: f"车牌京{rng.choice('ABCDEF')}{rng.randint(10000, 99999)}",
    ]
    return rng.choice(forms)() + "，" + "".join(chinese_clean(rng) for _ in range(3))


def texts(quick: bool) -> dict[str, str]:
    """Every text by name, made anew from the seed."""
    rng = random.Random(SEED)
    sizes = {"1 KB": 1024, "10 KB": 10240} if quick else {"1 KB": 1024, "10 KB": 10240, "100 KB": 102400}
    made = {f"clean English {name}": clean(rng, size) for name, size in sizes.items()}
    made |= {f"prompts {name}": grown(rng, size, prompt) for name, size in sizes.items()}
    made |= {f"full of findings {name}": grown(rng, size, english_finding) for name, size in sizes.items()}
    made |= {f"clean Chinese {name}": grown(rng, size, chinese_clean) for name, size in sizes.items()}
    made |= {f"Chinese findings {name}": grown(rng, size, chinese_finding) for name, size in sizes.items()}
    return made


def presidio() -> Callable[[str], Any]:
    """Presidio's analyzer over its default English pattern recognizers, without a model and without look-ups."""
    import logging

    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())
    tldextract.extract = tldextract.tldextract.TLD_EXTRACTOR
    engine = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}])
    engine.load()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])
    return lambda text: analyzer.analyze(text, "en")


def seconds(run: Callable[[str], Any], text: str, budget: float) -> float:
    """CPU seconds of one call, over as many calls as the budget holds (at least one)."""
    began = time.process_time()
    run(text)
    first = max(time.process_time() - began, 1e-7)
    count = max(1, min(2000, int(budget / first)))
    began = time.process_time()
    for _ in range(count):
        run(text)
    return (time.process_time() - began) / count


def measured(runs: dict[str, Callable[[str], Any]], text: str, rounds: int) -> dict[str, float]:
    """The median over interleaved rounds, by engine."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(seconds(run, text, 0.02))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> int:
    """Measure, print a table, say which targets hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1 and 10 KB only, fewer rounds")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()

    from guard.pii.scan import Scanner

    runs: dict[str, Callable[[str], Any]] = {"guard": Scanner().scan}
    try:
        runs["presidio"] = presidio()
    except ImportError:
        print("presidio: not measured (presidio-analyzer is not installed)")
    figures: dict[str, dict[str, float]] = {}
    missed = []
    print(f"{'text':26s} {'findings':>8s} {'guard µs':>10s} {'presidio µs':>12s} {'ratio':>7s}")
    for name, text in texts(options.quick).items():
        rounds = 3 if options.quick or len(text) > 20000 else 7
        row = measured(runs, text, rounds)
        figures[name] = row
        peer = row.get("presidio")
        ratio = peer / row["guard"] if peer else None
        shown = f"{peer * 1e6:12.0f} {ratio:7.0f}" if peer and ratio else "not measured"
        print(f"{name:26s} {len(runs['guard'](text)):8d} {row['guard'] * 1e6:10.1f} {shown}")
        if name in TARGETS and ratio is not None and ratio < TARGETS[name]:
            missed.append(f"{name}: {ratio:.0f} times faster, at least {TARGETS[name]} expected")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(figures, out, indent=1)
    print("\n".join(missed) or ("targets hold" if "presidio" in runs else "not measured"))
    return 3 if "presidio" not in runs else 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
