"""Measure detection beside Presidio's default English pattern recognizers and DataFog, in the same run.

    python benchmarks/detect.py [--quick] [--json FILE]

CPU time of this process, the median of interleaved rounds of the same text; and the mean of new texts, each read
once after one of its kind: guard's automata are made as texts ask for them, so what is new to them costs more.
Presidio runs with its NoOp engine and every recognizer that its default English registry loads (no model); DataFog
with its regular expressions. DataFog is installed once, at the version named here and without its own dependencies,
under GUARD_BENCH_CACHE (default ~/.cache/guard-benchmarks). Hostile and long texts are guard's alone: Presidio takes
seconds for some. Growth is told on one text, against the mean of its tenths: of two texts one holds more to look into.

Exit code 1 when a target is missed, 3 when a peer is not to be had: then its column says `not measured`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from _texts import HOSTILE, KINDS, new_texts, texts

DATAFOG = "4.9.0"
_ALONE = 20_000, 200_000
"""Longer texts, in characters, are not given to the peers: in a quick run, and else."""
_NEW = 40, 200
"""New texts of a kind, in a quick run and else."""

_SURE, _GUESSED = "guard, sure names", "guard, guessed names"

Engine = Callable[[str], Any]
Figures = dict[str, dict[str, float]]


class Target(NamedTuple):
    """One line of the issue: what is compared, its value, and the bound it must keep."""

    name: str
    value: float
    bound: float
    at_least: bool

    @property
    def holds(self) -> bool:
        """Whether the value keeps the bound."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        word = "at least" if self.at_least else "at most"
        return f"  {self.name:<66} {self.value:7.1f}  {word} {self.bound:g}{'' if self.holds else '  MISSED'}"


def presidio() -> Engine:
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


def datafog() -> Engine:
    """DataFog's annotator by regular expressions; raises where it is not to be had."""
    cache = Path(os.environ.get("GUARD_BENCH_CACHE", "~/.cache/guard-benchmarks")).expanduser()
    folder = cache / f"datafog-{DATAFOG}"
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
        command.append(f"datafog=={DATAFOG}")
        subprocess.run(command, check=True)
    os.environ["DATAFOG_NO_TELEMETRY"] = "1"
    sys.path.append(str(folder))
    from datafog.processing.text_processing.regex_annotator.regex_annotator import (  # type: ignore[import-not-found]
        RegexAnnotator,
    )

    annotate: Engine = RegexAnnotator().annotate
    return annotate


def guards() -> dict[str, Engine]:
    """Guard without names, with names as sure as `default` needs them, and with every guess at a name."""
    from guard.pii.scan import Scanner

    every = {"guard": None, _SURE: 0.5, _GUESSED: 0.0}
    made = {name: Scanner(names=least) for name, least in every.items()}
    for scanner in made.values():
        scanner.warm()
    return {name: scanner.scan for name, scanner in made.items()}


def peers() -> dict[str, Engine]:
    """Every other engine that can be had."""
    found: dict[str, Engine] = {}
    for name, make in (("presidio", presidio), ("datafog", datafog)):
        try:
            found[name] = make()
        except (ImportError, OSError, subprocess.CalledProcessError) as failure:
            print(f"{name}: not measured ({type(failure).__name__})")
    return found


def seconds(run: Engine, text: str, budget: float) -> float:
    """CPU seconds of one call, over as many calls as the budget holds (at least one)."""
    began = time.process_time()
    run(text)
    first = max(time.process_time() - began, 1e-7)
    count = max(1, min(2000, int(budget / first)))
    began = time.process_time()
    for _ in range(count):
        run(text)
    return (time.process_time() - began) / count


def measured(runs: dict[str, Engine], text: str, rounds: int) -> dict[str, float]:
    """The median over interleaved rounds, by engine."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(seconds(run, text, 0.02))
    return {name: statistics.median(values) for name, values in times.items()}


def tenth(run: Engine, text: str, rounds: int) -> float:
    """What a tenth of a text takes in the mean, each measured alone."""
    size = len(text) // 10
    parts = [text[at * size : (at + 1) * size] for at in range(10)]
    return statistics.mean(measured({"": run}, part, rounds)[""] for part in parts)


def once(run: Engine, new: list[str]) -> float:
    """CPU seconds of one call, over texts that are each given once; the first is not counted."""
    run(new.pop(0))
    began = time.process_time()
    for text in new:
        run(text)
    return (time.process_time() - began) / len(new)


def figures(mine: dict[str, Engine], others: dict[str, Engine], quick: bool) -> Figures:
    """Time every text and print a line for each; new texts come first, while little has been read."""
    guard, found = mine["guard"], Figures()
    print(
        f"{'text':36s} {'findings':>8s} {'guard µs':>10s}   {'presidio':>9s} {'datafog':>9s}  times guard's"
    )
    for kind in KINDS:
        new = new_texts(kind, _NEW[not quick])
        row = {name: once(run, [*new]) for name, run in {"guard": guard, **others}.items()}
        found[f"new texts, {kind}"] = printed(f"new texts, {kind}", len(guard(new[0])), row)
    for name, text in texts().items():
        alone = name.startswith("hostile") or len(text) > _ALONE[not quick]
        rounds = 3 if quick or len(text) > 20000 else 7
        row = measured({"guard": guard} if alone else {"guard": guard, **others}, text, rounds)
        found[name] = printed(name, len(guard(text)), row)
        if name.endswith("1 MB"):
            found[f"{name}, a tenth"] = {"guard": tenth(guard, text, rounds)}
        if name.startswith("clean English") and not alone:
            for label in (_SURE, _GUESSED):
                row = {**row, **measured({"guard": mine[label]}, text, rounds)}
                found[f"{name}, {label}"] = printed(f"{name}, {label}", len(mine[label](text)), row)
    return found


def printed(name: str, findings: int, row: dict[str, float]) -> dict[str, float]:
    """A row, printed."""
    ratios = (
        f"{row[peer] / row['guard']:9.1f}" if peer in row else f"{'-':>9s}"
        for peer in ("presidio", "datafog")
    )
    print(f"{name:36s} {findings:8d} {row['guard'] * 1e6:10.1f}   {' '.join(ratios)}")
    return row


_RATIOS = (
    ("clean English", "presidio", 300.0),
    ("prompts", "presidio", 120.0),
    ("full of findings", "presidio", 60.0),
    ("full of findings", "datafog", 2.5),
    ("clean Chinese", "presidio", 60.0),
    ("Chinese findings", "presidio", 30.0),
)


def targets(found: Figures) -> list[Target]:
    """What the figures must show, as far as they were taken; new texts are held to what repeated ones are."""
    made = [
        Target(f"{peer}'s time / guard's, {name}", row[peer] / row["guard"], bound, True)
        for kind, peer, bound in _RATIOS
        for name, row in found.items()
        if name.removeprefix("new texts, ").startswith(kind) and peer in row and "names" not in name
    ]
    made += [
        Target(f"presidio's time / guard's, {name}", row["presidio"] / row["guard"], 80.0, True)
        for name, row in found.items()
        if name.endswith("names") and "presidio" in row
    ]
    return made + list(_inner(found))


def _inner(found: Figures) -> list[Target]:
    """Guard against itself: disguises, hostile texts, Chinese by the byte, growth."""
    cost = {name: found[name]["guard"] / len(text.encode()) for name, text in texts().items()}
    dense = cost["full of findings 10 KB"]
    rows = [
        Target(
            "disguised / undisguised, 10 KB",
            found["disguised findings 10 KB"]["guard"] / found["full of findings 10 KB"]["guard"],
            2.5,
            False,
        ),
        Target(
            "clean Chinese / English, by the byte, 10 KB",
            cost["clean Chinese 10 KB"] / cost["clean English 10 KB"],
            1.5,
            False,
        ),
        Target(
            "Chinese findings / English, by the byte, 10 KB",
            cost["Chinese findings 10 KB"] / dense,
            1.5,
            False,
        ),
        Target(
            "the slowest hostile text / full of findings, by the byte",
            max(cost[f"hostile {name!r}"] for name in HOSTILE) / dense,
            1.0,
            False,
        ),
    ]
    for kind in KINDS:
        growth = found[f"{kind} 1 MB"]["guard"] / found[f"{kind} 1 MB, a tenth"]["guard"]
        rows.append(Target(f"1 MB / a tenth of it, {kind}", growth, 12.0, False))
    return rows


def main() -> int:
    """Measure, print a table, say which targets hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and peers up to 10 KB only")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    from guard.outside.collecting import settle

    others, mine = peers(), guards()
    settle()  # as guard's gateway and workers do: no engine's run looks through what all of them made
    found = figures(mine, others, options.quick)
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1), encoding="utf-8")
    rows = targets(found)
    print("\n".join(map(str, rows)))
    if len(others) < 2:
        return 3
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
