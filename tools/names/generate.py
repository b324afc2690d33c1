# ruff: noqa: E501
"""Write English training text: own templates filled with names, places, organisations and words; fixed seed."""

from __future__ import annotations

import importlib
import inspect
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import faker
from faker.providers import address, person
from lexicon import census, latin, providers, strings
from templates import ENTITY, NEGATIVE
from words import BRANDS, FOREIGN, ORG_WORDS

from guard.pii.lexicon import BUCKET, lexicon
from guard.pii.surroundings import CLASS

_FIELD = re.compile(r"\{([a-zA-Z])\}")
_COMMON = "en_US en_GB en_IE en_IN de_DE fr_FR es_ES es_MX it_IT nl_NL pl_PL pt_BR sv_SE tr_TR en_NG en_KE en_PK".split()
_ADDRESSES = "en_US en_US en_GB en_CA en_AU en_IE en_IN en_NZ de_DE de_AT de_CH fr_FR fr_CH es_ES es_MX it_IT nl_NL pl_PL pt_BR pt_PT sv_SE da_DK no_NO fi_FI cs_CZ hu_HU ro_RO hr_HR tr_TR".split()
_PINYIN = """Wang Li Zhang Liu Chen Yang Zhao Huang Zhou Wu Xu Sun Hu Zhu Gao Lin He Guo Ma Luo Liang Song Zheng Xie Han Tang Feng
Yu Dong Xiao Cheng Cao Yuan Deng Fu Shen Zeng Peng Lu Su Jiang Cai Jia Ding Wei Xue Ye Yan Pan Du Dai Xia Zhong Tian Ren Fan Fang Shi Yao Tan Liao Zou
Xiong Jin Hao Kong Bai Cui Kang Mao Qiu Qin Gu Hou Shao Meng Long Wan Duan Qian Yin Chang Kim Lee Park Choi Jung Kang Nguyen Tran Le Pham Hoang Phan Vu Dang Bui Do""".split()
_SYLLABLES = """wei fang na min jing li qiang lei jun yang yong yan jie juan tao ming chao xiu xia ping gang gui ying hua yu xin mei lan hong jian
guo zhi hui bo hao ling long bin dong ting zi xuan yi rui kai jia ze chen tian ning xiang"""
_SYL = _SYLLABLES.split()
_THINGS = "Prize Award Medal Theorem Effect Method Equation Act Report Trophy Cup Poetry Festival Lecture Index Model Test Syndrome Disease Removal Project Programme Algorithm Process Collection Edition Challenge Tour Show".split()
_SPOTS = "Park House Hall Region Museum Square Bridge Tower Gardens Beach Lake Valley Springs Heights Street Avenue Road Airport Station Stadium Theatre Castle Island Hill School Hospital Center Library".split()
_LANGUAGES = "English French German Spanish Italian Dutch Polish Korean Japanese Chinese Russian Arabic Hindi Turkish Swedish Greek Latin Irish Welsh Portuguese Thai Hebrew Danish Norwegian Finnish Czech American British European African Asian Roman Christian Muslim Jewish".split()
_TITLES = "Mr. Mr Mrs. Mrs Ms. Ms Dr. Dr Miss Prof. Professor Sir Captain Judge Senator President".split()
_KIN = "mother father sister brother aunt uncle cousin son daughter wife husband friend neighbour boss colleague grandmother niece nephew roommate".split()


class Text(NamedTuple):
    """A text and its names: (start, end, label)."""

    text: str
    spans: list[tuple[int, int, str]]


class Pool:
    """What templates are filled with."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.first: dict[str, list[str]] = defaultdict(list)
        self.last: dict[str, list[str]] = defaultdict(list)
        for locale, provider in providers(person):
            self.first[locale] = self._names(provider, "first_name|first_romanized")
            self.last[locale] = self._names(provider, "last_name|last_romanized")
        self.locales = [
            locale for locale in self.first if len(self.first[locale]) > 20 and len(self.last[locale]) > 9
        ]
        self.census_last = [name.title() for name in census("dist.all.last", 40_000)]
        self.census_first = [
            name.title() for name in (*census("dist.male.first", 1300), *census("dist.female.first", 4300))
        ]
        self._places()
        self._words()
        self.roles = sorted(word for word, kind in CLASS.items() if kind == "role")
        self.fakers = [faker.Faker(locale) for locale in _ADDRESSES]
        for number, made in enumerate(self.fakers):
            made.seed_instance(seed + number)
        self.markov_first = Markov([n for place in self.locales for n in self.first[place]], self.random)
        self.markov_last = Markov(
            [n for place in self.locales for n in self.last[place]] + self.census_last[:8000], self.random
        )

    def _names(self, provider: object, pattern: str) -> list[str]:
        found = {
            text
            for text in strings(provider, pattern)
            if latin(text) and text[:1].isupper() and len(text) < 25 and "{" not in text
        }
        return sorted(text for text in found if re.fullmatch(r"[^\W\d_]+(?:[ '’-][^\W\d_]+)*", text))

    def _places(self) -> None:
        self.cities, self.countries, self.streets = [], [], []
        for _, provider in providers(address):
            self.countries += (
                [t for t in strings(provider, "^countries$") if latin(t) and "{" not in t and len(t) < 30]
                if provider.__module__.endswith(("en_US", "en_GB", "en"))
                else []
            )
            self.cities += [
                t
                for t in strings(provider, "^(cities|city_names|states|provinces|regions)")
                if latin(t) and "{" not in t and "#" not in t and 2 < len(t) < 25 and t[0].isupper()
            ]
        self.cities = sorted(set(self.cities))
        self.countries = sorted(set(self.countries)) or ["France", "Kenya", "Chile"]
        self.suffixes = list(
            importlib.import_module("faker.providers.address.en_US").Provider.street_suffixes
        )

    def _words(self) -> None:
        book = lexicon()
        levels: dict[int, list[str]] = defaultdict(list)
        for word, bits in book.words.items():
            if bits >> BUCKET and word.isascii() and len(word) > 2:
                levels[bits >> BUCKET].append(word)
        self.levels = levels
        self.proper = [w for w in BRANDS.split() if len(w) > 2]
        self.other_proper = sorted(w for w, b in book.words.items() if b & 128 and len(w) > 3)

    def word(self) -> str:
        level = self.random.choices((1, 2, 3, 4, 5), (30, 30, 25, 10, 5))[0]
        return self.random.choice(self.levels[level])

    def capital(self) -> str:
        """A capital word that is nobody's name: a plain word, a product, an invented one, an acronym, CamelCase."""
        chance = self.random.random()
        if chance < 0.40:
            return self.word().capitalize()
        if chance < 0.55:
            return self.random.choice(self.proper).capitalize()
        if chance < 0.68:
            return self.random.choice(self.other_proper).capitalize()
        if chance < 0.76:
            return self._invented()
        if chance < 0.84:
            return "".join(
                self.random.choice("ABCDEFGHIKLMNOPRSTUVW") for _ in range(self.random.randint(2, 5))
            )
        if chance < 0.92:
            return self.word().capitalize() + self.word().capitalize()
        if chance < 0.96:
            return self.random.choice(self.levels[self.random.choice((4, 5, 6))]).capitalize()
        return self.word().upper()

    def _invented(self) -> str:
        ends = (
            "ify",
            "ly",
            "io",
            "ium",
            "ase",
            "ol",
            "ine",
            "ite",
            "ism",
            "ology",
            "ware",
            "hub",
            "base",
            "flow",
            "kit",
            "ix",
            "os",
            "ant",
            "ex",
        )
        return self.word()[: self.random.randint(3, 6)].capitalize() + self.random.choice(ends)

    def _locale(self) -> str:
        return self.random.choice(_COMMON if self.random.random() < 0.6 else self.locales)

    def first_name(self, locale: str = "") -> str:
        chance = self.random.random()
        if chance < 0.12:
            return self.markov_first.word()
        if chance < 0.22:
            return self.random.choice(self.census_first)
        if chance < 0.27:
            return self._pinyin()
        locale = locale or self._locale()
        return self.random.choice(self.first[locale] or self.census_first)

    def last_name(self, locale: str = "") -> str:
        chance = self.random.random()
        if chance < 0.14:
            name = self.markov_last.word()
        elif chance < 0.32:
            name = self.census_last[min(int(self.random.expovariate(1 / 6000)), len(self.census_last) - 1)]
        elif chance < 0.36:
            name = self.random.choice(_PINYIN)
        else:
            name = self.random.choice(self.last[locale or self._locale()] or self.census_last)
        if self.random.random() < 0.02:
            name += "-" + self.random.choice(self.census_last[:3000])
        if self.random.random() < 0.015:
            name = self.random.choice(("O'", "Mc", "D'", "Mac")) + name
        return name

    def _pinyin(self) -> str:
        one, two = self.random.choice(_SYL), self.random.choice(_SYL)
        return self.random.choice(
            (
                one.capitalize(),
                (one + two).capitalize(),
                one.capitalize() + "-" + two,
                one.capitalize() + " " + two.capitalize(),
            )
        )

    def full_name(self) -> str:
        locale = self._locale()
        chance = self.random.random()
        first, last = self.first_name(locale), self.last_name(locale)
        if chance < 0.05:
            return f"{first} {self.initial()} {last}"
        if chance < 0.08:
            return f"{first} {self.first_name(locale)} {last}"
        if chance < 0.11:
            return f"{self.initial()} {last}"
        if chance < 0.13:
            return f"{first} {self.random.choice(('van', 'van der', 'von', 'de', 'de la', 'del', 'da', 'dos', 'al', 'bin', 'di', 'du', 'ter', 'le', 'El', 'Al', 'De', 'Van'))} {last}"
        if chance < 0.15:
            return f"{first} {last} {self.last_name(locale)}"
        if chance < 0.17:
            return f"{self.random.choice(_PINYIN)} {self._pinyin()}"
        if chance < 0.18:
            return f"{first}-{self.first_name(locale)} {last}"
        if chance < 0.19:
            return f"{first} {last}{self.random.choice((' Jr.', ' III', ', MD', ' PhD', ' Sr.'))}"
        return f"{first} {last}"

    def initial(self) -> str:
        one = self.random.choice("ABCDEFGHIJKLMNOPRSTVW")
        dot = "." if self.random.random() < 0.8 else ""
        return (
            one + dot
            if self.random.random() < 0.8
            else f"{one}{dot} {self.random.choice('ABCDEFGHIJKLMNOPRSTVW')}{dot}"
        )

    def place(self) -> str:
        chance = self.random.random()
        if chance < 0.25:
            return self.random.choice(self.countries)
        if chance < 0.9:
            return self.random.choice(self.cities)
        return self.last_name() + self.random.choice(
            ("ville", "ton", "burg", " City", "berg", " Beach", " Heights", "ford", "field")
        )

    def organisation(self) -> str:
        chance = self.random.random()
        words = [w.capitalize() for w in ORG_WORDS.split() if w.isascii()]
        if self.random.random() < 0.35:
            return str(self.random.choice(self.fakers).company())
        if chance < 0.3:
            return f"{self.last_name()} {self.random.choice(('Inc', 'Ltd', 'LLC', 'Group', 'GmbH', 'Partners', '& Sons', 'Corp.', 'Holdings'))}"
        if chance < 0.4:
            return f"{self.last_name()}, {self.last_name()} and {self.last_name()}"
        if chance < 0.45:
            return f"{self.last_name()}-{self.last_name()}"
        if chance < 0.6:
            return f"{self.random.choice(('University', 'Bank', 'Institute', 'Ministry', 'Museum', 'Church'))} of {self.place()}"
        if chance < 0.75:
            return f"{self.place()} {self.random.choice(words)}"
        if chance < 0.9:
            return f"{self.capital()} {self.random.choice(words)}"
        return self.random.choice(self.proper).capitalize()

    def address(self) -> str:
        """A postal address as its country writes it, or made of own parts."""
        chance = self.random.random()
        if chance < 0.65:
            made = self.random.choice(self.fakers)
            found = made.address() if chance < 0.5 else made.street_address()
            return found if self.random.random() < 0.4 else found.replace("\n", ", ")
        street = f"{self.random.randint(1, 9999)} {self.last_name() if self.random.random() < 0.6 else self.word().capitalize()} {self.random.choice(self.suffixes)}"
        rest = f"{self.place()}, {self.random.choice(('NY', 'CA', 'TX', 'WA', 'IL', 'FL'))} {self.random.randint(10000, 99999)}"
        return self.random.choice(
            (
                street,
                f"{street}, {self.place()}",
                f"{street}, {rest}",
                f"{street}\n{rest}",
                f"{street}, Apt. {self.random.randint(1, 99)}, {rest}",
            )
        )

    def named_after(self) -> tuple[str, str, str]:
        """A thing that bears a name: a prize, a theorem, a building; with what follows, and its label."""
        name = self.random.choice((self.last_name, self.last_name, self.place, self.full_name))()
        if self.random.random() < 0.5:
            return f"{name} {self.random.choice(_THINGS)}", "", ""
        if self.random.random() < 0.3:
            return (
                f"{self.random.choice(('Lake', 'Mount', 'Fort', 'Port', 'Camp', 'Villa', 'Hotel', 'Cape'))} {name}",
                "",
                "LOC",
            )
        return f"{name} {self.random.choice(_SPOTS)}", "", "LOC"

    def date(self) -> str:
        month = self.random.choice(
            "January February March April May June July August September October November December".split()
        )
        return self.random.choice(
            (
                f"{self.random.randint(1, 28)} {month}",
                f"{month} {self.random.randint(1, 28)}, {self.random.randint(1950, 2026)}",
                f"20{self.random.randint(10, 26)}-0{self.random.randint(1, 9)}-{self.random.randint(10, 28)}",
                "Monday",
                "Tuesday",
                "Friday",
                "Sunday",
                month,
            )
        )


class Markov:
    """Names that nobody has: by the frequencies of three letters in lists of names."""

    def __init__(self, names: list[str], chance: random.Random) -> None:
        self.random = chance
        self.next: dict[str, list[str]] = defaultdict(list)
        for name in names:
            if name.isalpha():
                word = "^^^" + name.lower() + "$"
                for at in range(len(word) - 3):
                    self.next[word[at : at + 3]].append(word[at + 3])

    def word(self) -> str:
        """One invented name."""
        while True:
            state, found = "^^^", ""
            while len(found) < 12:
                char = self.random.choice(self.next[state])
                if char == "$":
                    break
                found += char
                state = state[1:] + char
            if 3 < len(found) < 12:
                return found.capitalize()


class Generator:
    """Fill templates; {seed} fixes everything."""

    def __init__(self, seed: int) -> None:
        self.pool = Pool(seed)
        self.random = self.pool.random

    def texts(self, count: int) -> Iterator[Text]:
        """Texts of one to three templates; some in lower case, some in upper."""
        for _ in range(count):
            parts = [self._one() for _ in range(self.random.choices((1, 2, 3), (60, 25, 15))[0])]
            text = _joined(parts, self.random.choice((" ", "\n", "\n\n", " ")))
            yield self._cased(text)

    def _one(self) -> Text:
        return self.fill(self.random.choice(ENTITY if self.random.random() < 0.72 else NEGATIVE))

    def fill(self, template: str) -> Text:
        """One template with its fields filled."""
        template = template.replace("\\n", "\n").replace("\\t", "\t")
        text, spans, at = "", [], 0
        for match in _FIELD.finditer(template):
            text += template[at : match.start()].replace("{{", "{").replace("}}", "}")
            at = match.end()
            lead, value, tail, label = self.value(match.group(1))
            text += lead
            if label:
                spans.append((len(text), len(text) + len(value), label))
            text += value + tail
        return Text(text + template[at:].replace("{{", "{").replace("}}", "}"), spans)

    def value(self, field: str) -> tuple[str, str, str, str]:
        """Words before, the value, words after, its label."""
        pool = self.pool
        if field == "n":
            return "", pool.full_name(), "", "PER"
        if field == "f":
            return "", pool.first_name() if self.random.random() < 0.85 else pool.full_name(), "", "PER"
        if field == "l":
            return "", pool.last_name(), "", "PER"
        if field == "i":
            return "", f"{pool.initial()} {pool.last_name()}", "", "PER"
        if field == "r":
            return (
                "",
                f"{pool.last_name()}, {self.random.choice((pool.first_name(), pool.initial()))}",
                "",
                "PER",
            )
        if field == "t":
            return (
                self.random.choice(_TITLES) + " ",
                self.random.choice((pool.last_name, pool.last_name, pool.full_name))(),
                "",
                "PER",
            )
        if field == "c":
            return "", pool.place(), "", "LOC"
        if field == "o":
            return "", pool.organisation(), "", "ORG"
        if field == "a":
            return "", pool.address(), "", "LOC"
        if field == "E":
            return "", *pool.named_after()
        return "", self.plain(field), "", ""

    def plain(self, field: str) -> str:
        """A value that is no name."""
        pool = self.pool
        if field == "D":
            return pool.date()
        if field == "N":
            return str(self.random.choice((self.random.randint(1, 99), self.random.randint(100, 99999))))
        if field == "W":
            return pool.capital()
        if field == "R":
            role = self.random.choice(pool.roles)
            return role if self.random.random() < 0.6 else role.capitalize()
        if field == "L":
            return self.random.choice(_LANGUAGES)
        if field == "k":
            return self.random.choice(_KIN)
        if field == "e":
            return f"{pool.word()}{self.random.randint(1, 99)}@{pool.word()}.example"
        if field == "w":
            return pool.word() if self.random.random() < 0.8 else f"{pool.word()} {pool.word()}"
        raise KeyError(field)

    def _cased(self, text: Text) -> Text:
        chance = self.random.random()
        changed = text.text.lower() if chance < 0.06 else text.text.upper() if chance < 0.08 else text.text
        return Text(changed, text.spans) if len(changed) == len(text.text) else text


def _joined(parts: list[Text], between: str) -> Text:
    text, spans = "", []
    for part in parts:
        text += between if text else ""
        spans += [(s + len(text), e + len(text), label) for s, e, label in part.spans]
        text += part.text
    return Text(text, spans)


def docstrings(most: int, seed: int) -> list[str]:
    """Paragraphs of the standard library's documentation (PSF licence): prose about software without people."""
    import sys

    found: set[str] = set()
    for module in sorted(sys.stdlib_module_names):
        if module.startswith(
            ("_", "idlelib", "test", "turtledemo", "antigravity", "this", "lib2to3", "tkinter")
        ):
            continue
        try:
            loaded = importlib.import_module(module)
        except Exception:
            continue
        for value in [loaded, *vars(loaded).values()]:
            for item in [value, *(vars(value).values() if inspect.isclass(value) else ())]:
                text = inspect.getdoc(item) if callable(item) or inspect.ismodule(item) else None
                found.update(p.strip() for p in (text or "").split("\n\n") if 40 < len(p) < 1200)
    people = re.compile(
        r"(?i)author|copyright|written by|thanks to|contributed|©|@|Guido|Tim Peters|Knuth|Eric|Fred|Skip|Gauss|Pareto|Weibull|Monty|Spam|Eggs"
    )
    kept = sorted(text for text in found if not people.search(text))
    random.Random(seed).shuffle(kept)
    return kept[:most]


def foreign(count: int, seed: int) -> Iterator[str]:
    """Word salad in other languages, from Faker's lorem lists and their function words: no names in it."""
    chance = random.Random(seed)
    pools = []
    for locale in ("de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "pt_BR", "cs_CZ", "da_DK"):
        try:
            module = importlib.import_module(f"faker.providers.lorem.{locale}")
        except ModuleNotFoundError:
            continue
        pools.append([w for w in module.Provider.word_list if latin(w)])
    lines = [line.split() for line in FOREIGN.strip().splitlines()]
    for _ in range(count):
        pool, function = chance.choice(pools), chance.choice(lines)
        words = [
            chance.choice(function if chance.random() < 0.35 else pool) for _ in range(chance.randint(6, 24))
        ]
        words[0] = words[0].capitalize()
        yield " ".join(words) + "."
