# ruff: noqa: E501
"""The catalogue: what HIPAA's Safe Harbor names beside numbers and addresses: births, ages over 89, ZIP codes, records."""

from __future__ import annotations

from guard.pii.layouts import TABLED
from guard.pii.months import NAMES
from guard.pii.rows import Edge, Road, Row

_DATE = (
    r"(?:(?:18|19|20)[0-9]{2}[-/. ](?:0?[1-9]|1[0-2])[-/. ](?:0?[1-9]|[12][0-9]|3[01])"
    r"|(?:0?[1-9]|[12][0-9]|3[01])[-/. ](?:0?[1-9]|[12][0-9]|3[01])[-/. ](?:(?:18|19|20)[0-9]{2}|[0-9]{2})"
    r"|(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:18|19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T[0-2][0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?Z?)"
)

_MONTH = r"(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
_DATE_IN_WORDS = (
    rf"(?:(?:0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th)? (?:of )?{_MONTH}\.?,? (?:18|19|20)[0-9]{{2}}"
    rf"|(?:0?[1-9]|[12][0-9]|3[01])[-./ ]?(?i:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[-./ ]?(?:(?:18|19|20)[0-9]{{2}}|[0-9]{{2}})"
    rf"|{_MONTH}\.? (?:0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th)?,? (?:18|19|20)[0-9]{{2}})"
)

_DATE_IN_WORDS_ABROAD = rf"(?:0?[1-9]|[12][0-9]|3[01])(?:\.?(?: de | ?)|(?:er|[oa*])(?: de | ))(?i:{'|'.join(sorted(NAMES, key=lambda name: (-len(name), name)))})(?: de |,? )(?:18|19|20)[0-9]{{2}}"

_DAY_EAST = (
    r"(?:(?:18|19|20)[0-9]{2}|[0-9]{1,3})\x1a ?(?:1[0-2]|0?[1-9])\x1a ?(?:3[01]|[12][0-9]|0?[1-9])\x1a"
)
"""With blanks as in Korean, or with the year of an era (昭和60年, 民國74年)."""

_DAY_CN = r"(?:18|19|20)[0-9]{2}\x1a(?:1[0-2]|0?[1-9])\x1a(?:(?:3[01]|[12][0-9]|0?[1-9])\x1a)?"

_STATES = "|".join(
    rf"(?:{states.replace(' ', '|')})(?! {{1,2}}[^{first} ])"
    for first, states in enumerate(
        (
            "CT MA ME NH NJ NY PR RI VT", "DE NY PA", "DC MD NC SC VA WV", "AL FL GA MS TN", "IN KY MI OH",
            "IA MN MT ND SD WI", "IL KS MO NE", "AR LA OK TX", "AZ CO NM NV UT WY", "AK CA HI OR WA",
        )
    )
)  # fmt: skip
"""States by the first digit of their ZIP codes (USPS Publication 65), but ID, which is said of other numbers."""

HEALTH = (
    Row(
        "pii.birth_date", _DATE, Road.DIGITS, 0.0, 0.85, cue="birth", edge=Edge.DOTTED, alphabet="groups", longest=27, laws=("hipaa:3", "gdpr", "pipl"),
    ),
    Row(
        "pii.birth_date", _DATE_IN_WORDS, Road.WHOLE, 0.0, 0.85, cue="birth", alphabet="groups", longest=25, laws=("hipaa:3", "gdpr", "pipl"),
    ),
    Row(
        "pii.birth_date", _DATE_IN_WORDS_ABROAD, Road.WHOLE, 0.0, 0.85, cue="birth", alphabet="groups", longest=31, laws=("gdpr",),
    ),
    Row(
        "pii.birth_date", rf"{_DAY_CN}|{_DAY_EAST}", Road.WHOLE, 0.0, 0.85, cue="birth", edge=Edge.DIGIT,
        alphabet="groups", longest=13, laws=("gdpr", "pipl"),
    ),
    # A form that asks for the month of birth only: 出生年月：1998.07.
    Row(
        "pii.birth_date", r"[ :=|]{0,3}(?P<value>(?:19|20)[0-9]{2}[-./](?:0?[1-9]|1[0-2])(?![0-9A-Za-z./-]))", Road.AFTER, 0.8, 0.8,
        gate=r"[ :=|]{0,3}(?:19|20)[0-9]{2}[-./][01]?[0-9]", heads=("出生年月", "出生日期"), longest=7, ahead=2, laws=("pipl",),
    ),
    # Courts and records write the label behind the day: 1985年7月12日出生.
    Row(
        "pii.birth_date", _DAY_CN, Road.WHOLE, 0.85, 0.85, behind="出生|生(?:[于於]|(?![一-鿿]))",
        alphabet="groups", longest=11, ahead=4, laws=("gdpr", "pipl"),
    ),
    Row(
        "pii.birth_date", rf"""(?<![A-Za-z0-9./-])(?P<value>{_DATE})(?:[ ]?\((?i:dob|d\.o\.b|birthda(?:y|te))|[ ](?i:dob|d\.o\.b))(?![A-Za-z])""", Road.WHOLE, 0.85, 0.85, gate=r"[0-9][ ]?\(?(?i:dob|d\.o\.b|birthda)",
        edge=Edge.FREE, alphabet="groups", longest=27, ahead=12, laws=("hipaa:3", "gdpr", "pipl"),
    ),
    Row(
        "pii.birth_date", rf"(?:(?i:d\.[ ]?o\.[ ]?b)[ .:=#-]{{0,4}}|[Nn]at[oa] (?:[ai]n? [A-Z][A-Za-z' ]{{1,24}} )?il |[Uu]r\. )(?P<value>{_DATE}|{_DATE_IN_WORDS_ABROAD})", Road.WHOLE, 0.85, 0.85, alphabet="groups", longest=31, laws=("hipaa:3", "gdpr", "pipl"),
    ),
    Row(
        "pii.age", r"(?i:aged?)[ :=]{0,3}(?i:of )?(?P<value>9[0-9]|1[0-2][0-9])", Road.WHOLE, 0.7, 0.7, unless="not_age", longest=3, laws=("hipaa:3",),
    ),
    Row(
        "pii.age", r"(?P<value>9[0-9]|1[01][0-9])(?: years? old| y/o|-year-old)", Road.WHOLE, 0.7, 0.7, unless="not_age", longest=3, ahead=10, laws=("hipaa:3",),
    ),
    Row(
        "pii.age", r"(?<![A-Za-z0-9.])(?:9[0-9]|1[0-2][0-9])(?![A-Za-z0-9.])", Road.WHOLE, 0.7, 0.7, gate=r"[^A-Za-z0-9](?:9[0-9]|1[0-2][0-9])\x1a",
        behind="周?[岁歲](?![以及至到])", edge=Edge.FREE, longest=3, ahead=3, laws=("hipaa:3",),
    ),
    # Younger ages are many people's: one's own only, below what a wildcard acts on, for rules that name the kind.
    Row(
        "pii.age", r"(?i:i am |i'm |i\x1am )(?P<value>[1-8]?[0-9])(?: years? old| y/o)", Road.WHOLE, 0.3, 0.3, longest=2, ahead=10, laws=("hipaa:3",),
    ),
    Row(
        "pii.us.zip", rf"(?i:zip(?:[ _-]?code)?|postal[ _-]?code|postcode)(?:[ :=#]{{0,3}}(?i:is )?|{TABLED})(?P<value>[0-9]{{5}}(?:-[0-9]{{4}})?)", Road.WHOLE, 0.8, 0.8, country="US", longest=10,
        laws=("hipaa:2",),
    ),
    Row(
        "pii.us.zip", rf"[a-z][,.] (?:{_STATES}) {{1,2}}(?P<value>[0-9]{{5}}(?:-[0-9]{{4}})?)(?![A-Za-z0-9-])", Road.WHOLE, 0.7, 0.7, gate="[,.] [A-Z]{2} {1,2}[0-9]{5}", edge=Edge.FREE, nobody="zip", country="US", longest=10,
        laws=("hipaa:2",),
    ),
    Row(
        "pii.medical_record", r"(?:[A-Za-z]{1,3}-?)?[0-9]{5,12}", Road.DIGITS, 0.0, 0.75, cue="medical_record", longest=16, laws=("hipaa:8",),
    ),
    Row(
        "pii.medical_record",
        rf"(?i:(?:medical|patient|health|hospital)[ _-]?(?:record|chart|file)[ _-]?(?:number|num|no|nr|id)?|patient[ _-]?(?:id|number|no|nr))(?:[ .:=#]{{0,3}}(?:is )?|{TABLED})(?P<value>(?:[A-Za-z]{{1,3}}-?)?[0-9]{{5,10}})",
        Road.WHOLE, 0.8, 0.8, longest=14, laws=("hipaa:8",),
    ),
)  # fmt: skip
