# ruff: noqa: E501
"""The catalogue: national numbers elsewhere (this round: the United States and the United Kingdom)."""

from __future__ import annotations

from guard.pii.layouts import SEP, laid_out, loose
from guard.pii.rows import Edge, Road, Row

NATIONS = (
    Row(
        "pii.us.ssn", r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}", Road.DIGITS, 0.7, 0.95, check="us_ssn", cue="ssn", unless="not_phone",
        edge=Edge.DIGIT, country="US", longest=11, laws=("hipaa:7",),
    ),
    Row(
        "pii.us.ssn", rf"[0-8][0-9]{{2}}{SEP}{{1,3}}[0-9]{{2}}{SEP}{{1,3}}[0-9]{{4}}", Road.DIGITS, 0.45, 0.9, check="us_ssn", cue="ssn",
        edge=Edge.DIGIT, country="US", alphabet="groups", longest=15, laws=("hipaa:7",),
    ),
    Row(
        "pii.us.ssn", laid_out(9, 9, (3, 2, 4)), Road.DIGITS, 0.0, 0.85, check="us_ssn_said", gate=loose(9, 9), cue="ssn", edge=Edge.DIGIT, country="US",
        alphabet="groups", longest=33, laws=("hipaa:7",),
    ),
    Row(
        "pii.us.itin", rf"9[0-9]{{2}}{SEP}{{1,2}}[5-9][0-9]{SEP}{{1,2}}[0-9]{{4}}", Road.DIGITS, 0.6, 0.95, check="us_itin", cue="itin",
        edge=Edge.DIGIT, country="US", alphabet="groups", longest=13, laws=("hipaa:7",),
    ),
    Row(
        "pii.us.itin", r"9[0-9]{2}[5-9][0-9]{5}", Road.DIGITS, 0.0, 0.9, check="us_itin", cue="itin", edge=Edge.DIGIT, country="US",
        longest=9, laws=("hipaa:7",),
    ),
    Row(
        "pii.uk.nhs", rf"[0-9]{{3}}{SEP}{{1,2}}[0-9]{{3}}{SEP}{{1,2}}[0-9]{{4}}", Road.DIGITS, 0.4, 0.95, check="uk_nhs", cue="nhs",
        edge=Edge.DIGIT, country="GB", alphabet="groups", longest=14, laws=("gdpr",),
    ),
    Row(
        "pii.uk.nhs", laid_out(10, 10, (3, 3, 4)), Road.DIGITS, 0.0, 0.9, check="uk_nhs", gate=loose(10, 10), cue="nhs", edge=Edge.DIGIT, country="GB", alphabet="groups", longest=37,
        laws=("gdpr",),
    ),
    Row(
        "pii.uk.nino", rf"[A-CEGHJ-PR-TW-Za-ceghj-pr-tw-z][A-CEGHJ-NPR-TW-Za-ceghj-npr-tw-z](?:{SEP}?[0-9]{{2}}){{3}}{SEP}?[A-Da-d]",
        Road.DIGITS, 0.7, 0.95, check="uk_nino", cue="nino", country="GB", alphabet="groups", longest=21, laws=("gdpr",),
    ),
)  # fmt: skip
