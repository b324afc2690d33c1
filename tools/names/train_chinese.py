#!/usr/bin/env python3
# ruff: noqa: E501
"""Train the character tagger of Chinese names and write guard/data/names_chinese.bin.

Needs for training only: `pip install python-crfsuite jieba`, and for neutral text without names the translations of
Django (BSD) and JupyterLab (BSD): `pip install django jupyterlab-language-pack-zh-CN`. All sentences with names are
made here from own templates and a fixed seed.
"""

from __future__ import annotations

import gettext
import importlib.util
import random
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from generate import Text
from hanzi import COMMON, COMPOUND, FOREIGN, GIVEN, entries, given_names
from templates_chinese import ENTITY, NEGATIVE
from train import arguments, write

from guard.pii.hanzi import hanzi
from guard.pii.names_chinese import RUN, windows
from guard.pii.traits_chinese import traits_chinese

LABELS = ("O", "B-PER", "I-PER", "E-PER", "S-PER")
_FIELD = re.compile(r"\{([a-zA-Z])\}")
_HAN = re.compile(r"[一-鿿]")
_SAY = "说 表示 称 指出 认为 介绍 告诉记者 回忆说 强调 透露 坦言 解释 承认 宣布 补充 回应 直言 笑言 呼吁 建议 反映 提醒 感慨 证实 写道".split()
_KIN = "父亲 母亲 妻子 丈夫 儿子 女儿 哥哥 弟弟 姐姐 妹妹 爷爷 奶奶 朋友 同事 同学 邻居 舍友 室友 老公 老婆 闺蜜 队友 搭档 徒弟".split()
_ORG = "公司 集团 大学 银行 医院 中学 小学 法院 检察院 公安局 教育局 研究院 研究所 委员会 协会 出版社 派出所 电视台 俱乐部 基金会 实验室 财政部 办公室 工厂 酒店".split()


class Pool:
    """What Chinese templates are filled with."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.words: dict[str, list[str]] = defaultdict(list)
        self.counts: dict[str, list[int]] = defaultdict(list)
        book = hanzi()
        for word, count, tag in entries():
            field = self._field(word, tag, book)
            if field and count >= 10:
                self.words[field].append(word)
                self.counts[field].append(min(count, 4000))
        self.people = [given for _, given in given_names()]
        self.translit = [
            w for w, _, tag in entries() if tag == "nrt" and 2 <= len(w) <= 6 and all(c in FOREIGN for c in w)
        ]

    def _field(self, word: str, tag: str, book: object) -> str:
        if tag in ("n", "vn", "an"):
            return "R" if hanzi().words.get(word, 0) & 7 == 7 and len(word) < 5 else "w"
        return {
            "v": "v",
            "a": "a",
            "d": "d",
            "ns": "c",
            "nt": "o",
            "t": "t",
            "nz": "w",
            "j": "w",
            "i": "i",
            "l": "i",
        }.get(tag, "")

    def pick(self, field: str) -> str:
        """A word of a class, often a frequent one."""
        if self.random.random() < 0.3:
            return self.random.choice(self.words[field])
        return self.random.choices(self.words[field], self.counts[field])[0]

    def surname(self) -> str:
        if self.random.random() < 0.04:
            return self.random.choice(COMPOUND)
        return (
            COMMON[min(int(self.random.expovariate(1 / 55)), len(COMMON) - 1)]
            if self.random.random() < 0.85
            else self.random.choice(COMMON)
        )

    def given(self) -> str:
        chance = self.random.random()
        if chance < 0.5:
            name = self.random.choice(self.people)
            if len(name) <= 2:
                return name
        if chance < 0.65:
            return self.random.choice(GIVEN)
        if chance < 0.69:
            return self.random.choice(GIVEN) * 2
        if chance < 0.75:
            return self.random.choice(self.people)[0] + self.random.choice(GIVEN)
        if chance < 0.82:
            word = self.pick(self.random.choice("wva"))
            if len(word) == 2:
                return word
        return self.random.choice(GIVEN) + self.random.choice(GIVEN)

    def foreign(self) -> str:
        chance = self.random.random()
        one = (
            self.random.choice(self.translit)
            if chance < 0.55
            else "".join(self.random.choice(FOREIGN) for _ in range(self.random.choice((2, 3, 3, 4, 4, 5))))
        )
        return one if self.random.random() < 0.8 else f"{one}·{self.random.choice(self.translit)}"

    def nick(self) -> str:
        chance = self.random.random()
        if chance < 0.4:
            return "小" + self.random.choice(GIVEN)
        if chance < 0.65:
            return (
                self.random.choice("小老")
                + COMMON[min(int(self.random.expovariate(1 / 50)), len(COMMON) - 1)]
            )
        if chance < 0.75:
            return "阿" + self.random.choice(GIVEN)
        return self.given()

    def name(self) -> str:
        return self.foreign() if self.random.random() < 0.12 else self.surname() + self.given()


class Generator:
    """Fill templates from a fixed seed."""

    def __init__(self, seed: int) -> None:
        self.pool = Pool(seed)
        self.random = self.pool.random

    def texts(self, count: int) -> Iterator[Text]:
        """Texts of one to three templates."""
        for _ in range(count):
            text, spans = "", []
            for _ in range(self.random.choices((1, 2, 3), (50, 30, 20))[0]):
                part = self.fill(self.random.choice(ENTITY if self.random.random() < 0.6 else NEGATIVE))
                spans += [(s + len(text), e + len(text), label) for s, e, label in part.spans]
                text += part.text
            yield Text(text, spans)

    def fill(self, template: str) -> Text:
        """One template with its fields filled."""
        template = template.replace("\\n", "\n")
        text, spans, at = "", [], 0
        for match in re.finditer(r"\{([a-zA-Z])\}", template):
            text += template[at : match.start()].replace("{{", "{").replace("}}", "}")
            at = match.end()
            value, label = self.value(match.group(1))
            if label:
                spans.append((len(text), len(text) + len(value), label))
            text += value
        return Text(text + template[at:].replace("{{", "{").replace("}}", "}"), spans)

    def value(self, field: str) -> tuple[str, str]:
        """A value and its label."""
        pool = self.pool
        if field in "nxgt":
            made = {"n": pool.name, "x": pool.surname, "g": pool.nick, "t": pool.foreign}[field]()
            return made, "PER"
        return self.plain(field), ""

    def plain(self, field: str) -> str:
        """A value that is no name."""
        pool = self.pool
        if field == "w":
            chance = self.random.random()
            if chance < 0.6:
                return pool.pick("w")
            if chance < 0.75:
                return pool.pick("w") + pool.pick("w")
            if chance < 0.9:
                return pool.pick("a") + self.random.choice(("", "的")) + pool.pick("w")
            return pool.pick("i")
        if field == "v":
            return (
                pool.pick("v")
                if self.random.random() < 0.85
                else self.random.choice(("正在", "开始", "继续", "已经", "可以", "没有")) + pool.pick("v")
            )
        if field == "D":
            return self.random.choice(
                (
                    pool.pick("t"),
                    f"{self.random.randint(1, 12)}月{self.random.randint(1, 28)}日",
                    "昨天",
                    "今年",
                    "日前",
                    "近日",
                    "昨日上午",
                    f"{self.random.randint(1950, 2026)}年",
                )
            )
        if field == "N":
            return (
                str(self.random.randint(1, 2000))
                if self.random.random() < 0.6
                else self.random.choice("一二三四五六七八九十百")
            )
        if field == "o":
            return (
                pool.pick("o")
                if self.random.random() < 0.4
                else pool.pick("c") + self.random.choice(("", pool.pick("w"))) + self.random.choice(_ORG)
            )
        if field == "s":
            return self.random.choice(_SAY)
        if field == "k":
            return self.random.choice(_KIN)
        return pool.pick(field)


def neutral() -> Iterator[str]:
    """Translated messages of two programs: Chinese without people in it."""
    seen: set[str] = set()
    for package in ("django", "jupyterlab_language_pack_zh_CN"):
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            continue
        for file in sorted(Path(next(iter(spec.submodule_search_locations))).rglob("*.mo")):
            if "zh_Hans" in file.parts or "zh_CN" in file.parts:
                with file.open("rb") as stream:
                    catalog = gettext.GNUTranslations(stream)
                for text in catalog._catalog.values():  # type: ignore[attr-defined]
                    if (
                        isinstance(text, str)
                        and len(_HAN.findall(text)) > 3
                        and "翻译" not in text
                        and "Translat" not in text
                    ):
                        seen.add(text)
    yield from sorted(seen)


def examples(texts: Iterable[Text]) -> Iterator[tuple[list[list[str]], list[str]]]:
    """The windows of each text with their labels."""
    book = hanzi()
    for text in texts:
        for match in RUN.finditer(text.text):
            base, run = match.start(), match.group()
            for low, high in windows(text.text, base, run, book):
                yield (
                    traits_chinese(text.text, base, run, low, high, book),
                    labels(base + low, base + high, text.spans),
                )


def labels(low: int, high: int, spans: list[tuple[int, int, str]]) -> list[str]:
    """The label of each character."""
    found = []
    for place in range(low, high):
        span = next((s for s in spans if s[0] <= place < s[1]), None)
        if span is None:
            found.append("O")
        elif span[1] - span[0] == 1:
            found.append("S-PER")
        else:
            found.append("B-PER" if place == span[0] else "E-PER" if place == span[1] - 1 else "I-PER")
    return found


def main() -> None:
    """Train and write the weights."""
    options = arguments(__doc__, texts=60_000, seed=5, out="names_chinese.bin")
    background = [Text(text, []) for text in neutral()]
    print(f"{len(background)} neutral texts", file=sys.stderr)
    texts = [*Generator(options.seed).texts(options.texts), *background * 2]
    write(examples(texts), LABELS, options)


if __name__ == "__main__":
    main()
