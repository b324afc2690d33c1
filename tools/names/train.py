#!/usr/bin/env python3
"""Train the taggers of names and write guard/data/names_latin.bin.

Needs python-crfsuite (MIT) and what lexicon.py needs, for training only: `pip install python-crfsuite names`.
Every text is made by generate.py from a fixed seed; none comes from an evaluation. Takes a few minutes on one core.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pycrfsuite
from generate import Generator, Text, docstrings, foreign

from guard.pii.chains import Chain, chains
from guard.pii.lexicon import lexicon
from guard.pii.tagger import pack
from guard.pii.traits import traits

ROOT = Path(__file__).resolve().parents[2]
LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")


def labels(chain: Chain, spans: list[tuple[int, int, str]]) -> list[str]:
    """The label of each token: inside which span it lies."""
    found, before = [], None
    for word in chain:
        span = next((s for s in spans if s[0] <= word.start and word.end <= s[1]), None)
        found.append("O" if span is None else f"{'I' if span == before else 'B'}-{span[2]}")
        before = span
    return found


def examples(texts: Iterable[Text]) -> Iterable[tuple[list[list[str]], list[str]]]:
    """The chains of each text with their labels."""
    book = lexicon()
    for text in texts:
        for chain in chains(text.text, book):
            yield (
                [["*", *itertools.chain(*groups, rare)] for groups, rare in traits(text.text, chain)],
                labels(chain, text.spans),
            )


def corpus(count: int, seed: int) -> Iterable[Text]:
    """Everything that is trained on."""
    yield from Generator(seed).texts(count)
    yield from (Text(text, []) for text in docstrings(12_000, seed))
    yield from (Text(text, []) for text in foreign(count // 20, seed))


def trained(
    rows: Iterable[tuple[list[list[str]], list[str]]], c1: float, c2: float, rounds: int, file: str
) -> None:
    """Run crfsuite."""
    trainer = pycrfsuite.Trainer(verbose=False)
    chains_seen = tokens = 0
    for features, wanted in rows:
        trainer.append(features, wanted)
        chains_seen += 1
        tokens += len(wanted)
    print(f"{chains_seen} chains, {tokens} tokens", file=sys.stderr)
    trainer.set_params({"c1": c1, "c2": c2, "max_iterations": rounds, "feature.minfreq": 3})
    trainer.train(file)


def packed(file: str, names: tuple[str, ...], least: float = 0.02) -> bytes:
    """The weights of a crfsuite model in the form of `guard.pii.tagger`."""
    model = pycrfsuite.Tagger()
    model.open(file)
    info = model.info()
    moves = np.zeros((len(names), len(names)))
    for (one, two), weight in info.transitions.items():
        moves[names.index(one), names.index(two)] = weight
    rows: dict[str, np.ndarray] = {"*": np.zeros(len(names))}
    for (feature, label), weight in info.state_features.items():
        if abs(weight) >= least:
            rows.setdefault(feature, np.zeros(len(names)))[names.index(label)] = weight
    print(f"{len(rows)} features", file=sys.stderr)
    return pack(names, list(rows), np.array(list(rows.values())), moves)


def arguments(description: str | None, texts: int, seed: int, out: str) -> argparse.Namespace:
    """Read the command line that both trainings have; `out` is a file of guard/data."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=texts)
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--c1", type=float, default=1.0)
    parser.add_argument("--c2", type=float, default=0.05)
    parser.add_argument("--rounds", type=int, default=80)
    parser.add_argument("--out", type=Path, default=ROOT / "guard" / "data" / out)
    return parser.parse_args()


def write(
    rows: Iterable[tuple[list[list[str]], list[str]]], labels: tuple[str, ...], options: argparse.Namespace
) -> None:
    """Train on labelled rows and write the weights."""
    with tempfile.NamedTemporaryFile(suffix=".crf") as file:
        trained(rows, options.c1, options.c2, options.rounds, file.name)
        data = packed(file.name, labels)
    options.out.write_bytes(data)
    print(f"{len(data)} bytes", file=sys.stderr)


def main() -> None:
    """Train and write the weights."""
    options = arguments(__doc__, texts=90_000, seed=3, out="names_latin.bin")
    write(examples(corpus(options.texts, options.seed)), LABELS, options)


if __name__ == "__main__":
    main()
