# ruff: noqa: E501
"""The texts that detection is timed on, made anew from a seed: clean, ordinary, full of findings, disguised, hostile."""

from __future__ import annotations

import random
from collections.abc import Callable

SEED = 20261125

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
        lambda: (
            f"from {rng.randint(11, 99)}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)} "
        ),
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


_FULL_WIDTH = str.maketrans("0123456789@.-", "０１２３４５６７８９＠．－")


def disguised(text: str) -> str:
    """The same with full-width digits and signs, and a zero-width space after every sixth of them."""
    pieces, seen = [], 0
    for char in text.translate(_FULL_WIDTH):
        pieces.append(char)
        if char > "\uff00":
            seen += 1
            if seen % 6 == 0:
                pieces.append("\u200b")
    return "".join(pieces)


HOSTILE = {
    "a.": "a.", "(": "(", "7": "7", "1-": "1-", "1 ": "1 ", "ab:": "ab:", "0x": "0x", "sk-": "sk-", "@a": "@a", "//": "//", "+1": "+1",
    "&#": "&#", "&#49;": "&#49;", "%31": "%31", "\\u0031": "\\u0031", "MTIz": "MTIz", "一三八": "一三八", "a at b dot ": "a at b dot ",
    "key=": "key=", "\u200b1": "\u200b1", "-----BEGIN ": "-----BEGIN ",
    "password ": "password ", "pwd=": "pwd=",
}  # fmt: skip
"""Pieces whose repetition makes patterns with nested or unbounded repeats slow."""

SIZES = {"1 KB": 1024, "10 KB": 10240, "100 KB": 102400, "1 MB": 1048576}


KINDS: dict[str, Callable[[random.Random], str]] = {
    "clean English": sentence,
    "prompts": prompt,
    "full of findings": english_finding,
    "clean Chinese": chinese_clean,
    "Chinese findings": chinese_finding,
}


def texts() -> dict[str, str]:
    """Every text by name: `full of findings 10 KB`."""
    made = {
        f"{kind} {name}": grown(random.Random(SEED), size, piece)
        for kind, piece in KINDS.items()
        for name, size in SIZES.items()
    }
    made |= {
        f"disguised findings {name}": disguised(made[f"full of findings {name}"])
        for name in ("1 KB", "10 KB")
    }
    return made | {f"hostile {name!r}": (piece * 10240)[:10240] for name, piece in HOSTILE.items()}


def new_texts(kind: str, count: int) -> list[str]:
    """Texts of 1 KB of which none is like another: what an engine learns of one helps little with the next."""
    return [grown(random.Random(SEED + 1 + place), SIZES["1 KB"], KINDS[kind]) for place in range(count)]
