# ruff: noqa: E501
"""The catalogue: kinds of no country."""

from __future__ import annotations

import re

from guard.pii.layouts import SEP, TABLED, laid_out, loose
from guard.pii.rows import Edge, Road, Row

_PHONE = r"[ ()./_-]{0,3}"
_EXT_SURE = r"(?:(?: ?[,;]|[,;]? )(?i:x|ext)[.:]? ?[0-9]{1,7}|(?i:x|ext)\.?[0-9]{1,7}|(?: ?[,;]|[,;]? )(?i:extn|extension)[.:]? ?[0-9]{1,7}|(?: |[,;] ?)?#[0-9]{1,7})"
_EXT = _EXT_SURE + "?"
_PLUS = r"\+|\x28\+(?=[0-9]{1,3}\x29)"
_ABROAD = rf"00|{_PLUS}"
"""What an international number begins with: (+44) has both its brackets."""
_NOUGHT = r"0(?:(?<![0-9]0)|(?<=860))"
"""What a number with a trunk 0 holds: it stands before all other digits but China's calling code."""
_ABROAD_NUMBER = rf" ?[(]?[1-9](?:[ ()./_-]{{0,3}}[0-9]){{6,14}}{_EXT}"
_ABROAD_GATE = rf"(?:\+|00|\x28\+){_ABROAD_NUMBER}"
_TRUNK = rf"(?:[(]0[0-9]{{0,4}}[)][ /-]{{0,2}}|0[0-9]{{0,4}}[ -]{{1,3}}|0[1-9][0-9]{{1,3}} ?/ ?)[0-9](?:[ -]{{0,3}}[0-9]){{4,9}}{_EXT}|0[1-9](?:\.[0-9]{{2}}){{4}}"
_NO_PART = r"(?<!19[0-9]{2}[ -]0)(?<!20[0-9]{2}[ -]0)(?<![0-9]{3}-0)(?<![0-9]{4} [0-9]{4} 0)"
"""The 0 is not the month of a date, nor in a longer number or a dump of words of four digits."""
_APART = r"[ .()-]{1,3}[0-9](?:[ .()-]{0,3}[0-9])"
_IN_GROUPS = (
    "[(]?(?:"
    + "|".join(rf"[0-9]{{{first}}}{_APART}{{{max(0, 5 - first)},{11 - first}}}" for first in range(1, 9))
    + ")"
)
"""Six to twelve digits of which a sign or blank stands between two."""
_NANP = "US CA AG AI AS BB BM BS DM DO GD GU JM KN KY LC MP MS PR SX TC TT VC VG VI"
"""The countries of the North American numbering plan."""

_HOST = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}(?:[Xx][Nn]--[A-Za-z0-9-]{2,58}|[A-Za-z]{2,24})"
)
_FOREIGN_HOST = r"(?:[A-Za-z0-9\x1a-]{1,20}\.){1,2}(?:\x1a{2,12}|[A-Za-z]{2,12})"
_OCTET = r"[0-9]{1,3}"
_QUAD = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_PROGRAMS = "nginx openresty luajit apache httpd tomcat haproxy elasticsearch kibana logstash opensearch solr zookeeper jdbc cudnn tensorrt imagemagick ffmpeg grpc netty wildfly weblogic"
_NO_VERSION = rf"(?!(?:(?<=[A-Za-z]-)|{'|'.join(f'(?<=(?i:{name})[ /])' for name in _PROGRAMS.split())})(?:[1-9]|[12][0-9]|3[01])(?:\.[0-9]{{1,2}}){{3}}(?![0-9]))"
"""Four small numbers directly behind a program's name, or in the name of a file, are a version."""
_UNPINNED = r"(?:(?<![=~^])|(?<=[^<>~!=]=)|(?<=ip==)|(?<=addr==)|(?<=src==)|(?<=dst==)|(?<=host==))"
"""Not behind what pins a version (`numpy==1.26.4.1`, `>=1.2.3.4`); a filter asks for an address so, too (`ip.src==`)."""
_MAIL_HOST = rf"{_HOST}|localhost|{_FOREIGN_HOST}|\[{_OCTET}(?:\.{_OCTET}){{3}}\]"
HOST = re.compile(_MAIL_HOST.encode("ascii"))
"""What stands after the @ of an address."""

_HEX = "[0-9A-Fa-f]"
_B58 = "[1-9A-HJ-NP-Za-km-z]"
_IPV6 = rf"(?:{_HEX}{{1,4}}:|::?)(?:{_HEX}{{0,4}}:){{1,7}}(?:{_QUAD}|{_HEX}{{0,4}})(?:%[A-Za-z0-9]{{1,15}})?(?:/[0-9]{{1,3}})?|::{_HEX}{{1,4}}(?:/[0-9]{{1,3}})?|::{_QUAD}"
_IBAN_LAND = (
    "(?i:a[deltz]|b[aeghiry]|c[hryz]|d[ejko]|e[egs]|f[ikor]|g[beilrt]|h[nru]|i[elqst]|jo|k[wz]|l[bcituvy]|m[cdeknrtu]"
    "|n[ilo]|om|p[klst]|qa|r[osu]|s[acdeikmotv]|t[lnr]|ua|v[ag]|xk|ye)"
)

_CARD = ((4, 6, 5), (4, 6, 4), (6, 13), (6, 4, 4, 5))
_CN_MOBILE = ((3, 4, 4), (4, 4, 3), (3, 3, 5), (3, 8), (7, 4), (4, 3, 4))

_ANGLE = r"[0-9]{1,3}(?:\.[0-9]{1,8}[*o]?|[*o] ?[0-9]{1,2}(?:\.[0-9]{1,6})?'(?: ?[0-9]{1,2}(?:\.[0-9]{1,6})?(?:\"|''))?|[*o])"
_ANGLE_CN = r"[0-9]{1,3}(?:\.[0-9]{1,8}[*\x1a]?|[*\x1a][0-9]{1,2}(?:\.[0-9]{1,6})?(?:['\x1a](?:[0-9]{1,2}(?:\.[0-9]{1,6})?(?:[\"\x1a]|'')?)?)?)"

_WRAP = r"(?:-?\r?\n ?| \r?\n| \n )"
"""The end of a line amid a number, with no more blanks than may stand between groups (`cuts`)."""
_MONTH = "(?i:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)"

EVERYONE = (
    Row(
        "pii.email",
        rf"""(?:[A-Za-z0-9_+][A-Za-z0-9.!#$%&'*+=^_`{{|}}~-]{{0,63}}|"[!#-~]{{1,62}}")@(?:{_MAIL_HOST})""",
        Road.MAIL, 0.95, 0.95, check="email", edge=Edge.FREE, nobody="email", alphabet="mail", longest=640, laws=("hipaa:6", "gdpr"),
    ),
    Row(
        "pii.phone", rf"(?:{_PLUS}){_ABROAD_NUMBER}",
        Road.DIGITS, 0.9, 0.9, check="phone_international", edge=Edge.DIGIT, trim=True, nobody="phone",
        alphabet="groups", longest=96, opening=_ABROAD, gate=rf"(?:\+|\x28\+){_ABROAD_NUMBER}", laws=("hipaa:4",),
    ),
    Row(
        "pii.phone", rf"00{_ABROAD_NUMBER}",
        Road.DIGITS, 0.9, 0.9, check="phone_international", cue="phone", unless="not_phone", edge=Edge.DIGIT, trim=True, nobody="phone",
        alphabet="groups", longest=96, opening=_ABROAD, laws=("hipaa:4",),
    ),
    Row(
        "pii.phone",
        rf"(?:\+?1[ .-]{{0,2}})?(?:[(][2-9][0-9]{{2}}[)][ .-]{{0,2}}|[2-9][0-9]{{2}}[ ./-]{{1,3}})[2-9][0-9]{{2}}[ .-]{{0,2}}[0-9]{{4}}{_EXT}",
        Road.DIGITS, 0.6, 0.9, country=_NANP, cue="phone", unless="not_phone", edge=Edge.DIGIT, nobody="phone", alphabet="groups", longest=56, laws=("hipaa:4",),
    ),
    Row(
        "pii.phone",
        rf"(?:\+?1[ .-]{{0,2}})?(?:[(][0-9]{{3}}[)][ .-]{{0,2}}[0-9]{{3}}[ .-]{{1,2}}[0-9]{{4}}|[0-9]{{3}}-[0-9]{{3}}-[0-9]{{4}}|[0-9]{{3}}\.[0-9]{{3}}\.[0-9]{{4}}){_EXT}",
        Road.DIGITS, 0.5, 0.85, country=_NANP, cue="phone", unless="not_phone", edge=Edge.DIGIT, nobody="phone", alphabet="groups", longest=56, laws=("hipaa:4",),
    ),
    Row(
        "pii.phone", rf"[2-9][0-9]{{9}}{_EXT_SURE}",
        Road.DIGITS, 0.6, 0.9, country=_NANP, cue="phone", unless="not_phone", edge=Edge.DIGIT, alphabet="groups", longest=32, laws=("hipaa:4",),
    ),
    Row(
        "pii.phone", r"[2-9][0-9]{2}[2-9][0-9]{6}",
        Road.DIGITS, 0.4, 0.85, check="phone_us_bare", country=_NANP, cue="phone", unless="not_phone", nobody="phone", longest=10, laws=("hipaa:4",),
    ),
    Row(
        "pii.phone", rf"(?:(?:(?:\+|00)?86|\x28(?:\+|00)?86\x29)[ -]{{0,2}})?{laid_out(11, 11, *_CN_MOBILE)}",
        Road.DIGITS, 0.75, 0.95, check="phone_cn_mobile", gate=rf"(?:(?:(?:\+|00)?86|\x28(?:\+|00)?86\x29)[ -]{{0,2}})?1{SEP}{{0,3}}[3-9](?:{SEP}{{0,3}}[0-9]){{9}}",
        country="CN", cue="phone", unless="not_phone", edge=Edge.DIGIT, alphabet="groups", longest=50, laws=("pipl",),
    ),
    Row(
        "pii.phone",
        r"(?:(?:(?:\+|00)?86|\x28(?:\+|00)?86\x29)[ -]{0,2})?(?:[(]0(?:10|2[0-9]|[3-9][0-9]{2})[)][ -]{0,2}|0(?:10|2[0-9]|[3-9][0-9]{2})[ -]{1,2})[2-8][0-9]{2,3}[ -]?[0-9]{4}(?:-[0-9]{1,5})?",
        Road.DIGITS, 0.6, 0.9, country="CN", cue="phone", unless="not_phone", alphabet="groups", longest=38, opening=_NOUGHT, laws=("pipl",),
    ),
    Row(
        "pii.phone", r"(?:0(?:10|2[0-9]|[3-9][0-9]{2})[ -]{0,2}[0-9]{7,8}|[48]00[ -]?[0-9]{3}[ -]?[0-9]{4}|[48]00[ -]?[0-9]{4}[ -]?[0-9]{3})",
        Road.DIGITS, 0.4, 0.85, country="CN", cue="phone", unless="not_phone", alphabet="groups", longest=24, laws=("pipl",),
    ),
    Row(
        "pii.phone", rf"(?:{_TRUNK.replace('|0[0', f'|0{_NO_PART}[0', 1)})(?! [0-9]{{4}} [0-9]{{4}}(?![0-9]))", Road.DIGITS, 0.5, 0.75, check="phone_trunk", gate=_TRUNK, cue="phone", unless="not_phone", edge=Edge.DIGIT, nobody="phone", alphabet="groups", longest=72, ahead=11,
        opening=_NOUGHT, laws=("hipaa:4",),
    ),
    Row(
        "pii.phone", rf"(?:{_ABROAD}){_ABROAD_NUMBER}",
        Road.DIGITS, 0.4, 0.8, check="phone_possible", cue="phone", edge=Edge.DIGIT, trim=True, nobody="phone", alphabet="groups", longest=96, opening=_ABROAD, gate=_ABROAD_GATE, laws=("hipaa:4",),
    ),
    Row(
        "pii.phone", rf"(?<![A-Za-z]/)(?:[(] ?)?[0-9](?:{_PHONE}[0-9]){{6,14}}{_EXT}",
        Road.DIGITS, 0.0, 0.7, check="phone_said", gate=rf"(?:[(] ?)?[0-9](?:{_PHONE}[0-9]){{6,14}}{_EXT}", cue="phone", unless="not_phone", edge=Edge.DIGIT, nobody="phone", alphabet="groups", longest=96, laws=("hipaa:4",),
    ),
    Row(
        "pii.phone", r"(?=[0-9]*[ .()-]{1,3}[0-9])(?:[(][0-9](?:[ -]?[0-9]){0,4}[)] ?)?[0-9](?:[ .-]?[(]?[0-9][)]?){4,11}",
        Road.NATION, 0.37, 0.37, check="phone_national", unless="not_phone", edge=Edge.GROUPED, nobody="phone", alphabet="groups", longest=57, ahead=2,
        gate=_IN_GROUPS, laws=("hipaa:4",),
    ),
    Row(
        "pii.phone", r"(?:(?<=[0-9]{3}\x1a)|(?<=[0-9]{3}[ ,]\x1a)|(?<=[0-9]{3}\x1a\x1a)|(?<=[0-9]{3}[ ,]\x1a\x1a))[ :]{0,2}(?P<value>[0-9]{2,6})", Road.AFTER, 0.0, 0.7, cue="phone", gate="[ :]{0,2}[0-9]{2,6}",
        heads=("转", "轉", "分机", "分機"), country="CN", longest=6, laws=("pipl",),
    ),
    Row(
        "pii.card", laid_out(13, 19, *_CARD), Road.DIGITS, 0.9, 0.9, check="card", gate=loose(13, 19), edge=Edge.DIGIT, trim=True, alphabet="groups", longest=73,
        laws=("pci", "hipaa:10"),
    ),
    Row(
        "pii.card", laid_out(12, 19, *_CARD), Road.DIGITS, 0.0, 0.75, check="card_said", gate=loose(12, 19), cue="card", unless="not_card", edge=Edge.DIGIT,
        trim=True, alphabet="groups", longest=73, laws=("pci", "hipaa:10"),
    ),
    Row(
        "pii.card", rf"[0-9]{{4}}(?:(?P<one>[ .-])[0-9]{{4}}(?:(?P=one)[0-9]{{4}}{_WRAP}|{_WRAP}[0-9]{{4}}(?P=one))|{_WRAP}[0-9]{{4}}(?P<two>[ .-])[0-9]{{4}}(?P=two))[0-9]{{4}}",
        Road.DIGITS, 0.7, 0.9, check="card", cue="card", gate=loose(16, 16), edge=Edge.DIGIT, alphabet="groups", longest=25, opening=r"\n", laws=("pci", "hipaa:10"),
    ),
    Row(
        "pii.iban",
        rf"{_IBAN_LAND}(?:{SEP}?[0-9]{{2}}(?:[A-Za-z0-9]{{11,30}}|(?:{SEP}{{1,2}}[A-Za-z0-9]{{1,12}}){{2,16}})|{SEP}?[0-9]{SEP}[0-9](?:{SEP}[A-Za-z0-9]){{11,30}})",
        Road.DIGITS, 0.95, 0.95, check="iban", gate=rf"{_IBAN_LAND}{SEP}?[0-9]{SEP}?[0-9](?:{SEP}{{0,2}}[A-Za-z0-9]){{11,30}}",
        trim=True, alphabet="groups", longest=250, laws=("gdpr", "hipaa:10"),
    ),
    Row(
        "pii.ip", rf"{_UNPINNED}{_NO_VERSION}{_QUAD}(?::[0-9]{{1,5}}|/[0-9]{{1,2}})?",
        Road.DIGITS, 0.85, 0.85, check="ipv4", gate=rf"{_QUAD}(?::[0-9]{{1,5}}|/[0-9]{{1,2}})?", unless="version", edge=Edge.DOTTED, nobody="ip", longest=21, laws=("hipaa:15", "gdpr"),
    ),
    Row(
        "pii.ip",
        rf"(?<![A-Za-z0-9_)\]]\[)(?<!\[-)(?!(?<=, )[0-9]{{0,3}}::[0-9]{{0,3}}\])(?:{_IPV6})", Road.WHOLE, 0.85, 0.85, check="ipv6", gate=_IPV6, edge=Edge.COLON, nobody="ip", longest=75, laws=("hipaa:15", "gdpr"),
    ),
    Row(
        "pii.mac", rf"{_HEX}{{2}}(?:[:-]{_HEX}{{2}}){{5}}|{_HEX}{{4}}\.{_HEX}{{4}}\.{_HEX}{{4}}",
        Road.WHOLE, 0.85, 0.85, check="mac", edge=Edge.COLON, longest=17, laws=("hipaa:13",),
    ),
    Row(
        "pii.crypto", rf"[13LMDTXr]{_B58}{{25,34}}|[48][0-9AB]{_B58}{{93}}", Road.WHOLE, 0.95, 0.95, check="base58check",
        gate=rf"[13LMDTXr]{_B58}{{25,34}}|[48][0-9AB]{_B58}{{24,}}", longest=95,
    ),
    Row(
        "pii.crypto", r"(?:bc1|BC1|ltc1|tb1|addr1|stake1)[02-9ac-hj-np-zAC-HJ-NP-Z]{11,98}|bitcoincash:[qp][02-9ac-hj-np-z]{41}", Road.WHOLE, 0.95, 0.95, check="bech32",
        gate=r"(?:bc1|BC1|ltc1|tb1|addr1|stake1)[02-9ac-hj-np-zAC-HJ-NP-Z]{11,}|bitcoincash:[qp][02-9ac-hj-np-z]{20,}", longest=104,
    ),
    Row("pii.crypto", rf"{_B58}{{43,44}}", Road.WHOLE, 0.0, 0.85, check="base58_key", cue="crypto", longest=44),
    Row("pii.crypto", rf"0x{_HEX}{{40}}", Road.LITERAL, 0.6, 0.9, cue="crypto", longest=42),
    Row(
        "pii.imei", laid_out(15, 15, (2, 6, 6, 1)), Road.DIGITS, 0.0, 0.85, check="imei", gate=loose(15, 15), cue="imei", edge=Edge.DIGIT, alphabet="groups", longest=57,
        laws=("hipaa:13",),
    ),
    Row(
        "pii.imei", r"[0-9]{2}-[0-9]{6}-[0-9]{6}-[0-9]|[0-9]{15}", Road.NATION, 0.38, 0.85, check="imei", cue="imei", unless="not_nation", longest=18, laws=("hipaa:13",),
    ),
    # The card and the subscriber of a mobile network (ITU-T E.118, E.212).
    Row(
        "pii.iccid", rf"89(?:{SEP}{{0,3}}[0-9]){{17,19}}", Road.DIGITS, 0.0, 0.85, check="iccid", cue="sim", edge=Edge.DIGIT, alphabet="groups", longest=78, laws=("hipaa:13",),
    ),
    Row(
        "pii.imsi", r"[2-79][0-9]{13,14}", Road.DIGITS, 0.0, 0.8, cue="imsi", longest=15, laws=("hipaa:13",),
    ),
    Row(
        "pii.bic", r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?", Road.WHOLE, 0.0, 0.85, check="bic", cue="bic", longest=11, laws=("hipaa:10",),
    ),
    Row(
        "pii.bank_account", rf"""(?i:(?:account|acct|acc|a/c)\.?[ _-]?(?:number|num|no\b\.?|nr\b\.?|#)|bank[ _-]?account(?:[ _-]?(?:number|num|no|nr|id))?|konto(?:nummer|-?nr\b\.?)|numero de (?:cuenta|compte)|rekeningnummer)(?:(?i: is)?[ :=#]{{0,3}}|{TABLED})(?P<value>[0-9](?:[ -]?[0-9]){{6,16}})""", Road.WHOLE,
        0.7, 0.7, alphabet="groups", longest=34, laws=("hipaa:10",),
    ),
    Row(
        "pii.bank_account", rf"(?i:account|acct|a/c)\.?(?: ?[:=#]{{1,2}} ?| |{TABLED})(?P<value>[0-9](?:[ -]?[0-9]){{6,16}})", Road.WHOLE, 0.0, 0.7, cue="banking", alphabet="groups", longest=34, laws=("hipaa:10",),
    ),
    Row(
        "pii.gps", r"(?<![0-9],)(?<![0-9], )-?[0-9]{1,3}\.[0-9]{4,10}(?:, ?| )-?[0-9]{1,3}\.[0-9]{4,10}(?! ?,)", Road.DIGITS, 0.4, 0.85, check="gps", cue="gps", edge=Edge.DOTTED,
        alphabet="groups", longest=33, ahead=2, gate=r"-?[0-9]{1,3}\.[0-9]{4,10}(?:, ?| )-?[0-9]{1,3}\.[0-9]{4,10}", laws=("hipaa:2", "gdpr"),
    ),
    Row(
        "pii.gps", rf"(?:[NSEWO] ?{_ANGLE}(?:[,;/] ?| {{0,2}})[NSEWO] ?{_ANGLE}|{_ANGLE} ?[NSEWO](?:[,;/] ?| {{0,2}}){_ANGLE} ?[NSEWO])", Road.WHOLE, 0.6, 0.85,
        check="gps_degrees", cue="gps", alphabet="groups", longest=80, gate=r"[0-9]{1,8} ?[*o'\"]{0,2} ?[NSEWO]|[NSEWO] ?[0-9]{1,3}(?:\.[0-9]{3,8}| ?[*o.'][ 0-9.*o'\"]{0,24})", laws=("hipaa:2", "gdpr"),
    ),
    Row(
        "pii.gps", rf"[ :]{{0,2}}(?P<value>{_ANGLE_CN})", Road.AFTER, 0.4, 0.85, cue="gps", check="gps_angle", tail="度分秒", longest=40,
        heads=("北纬", "南纬", "东经", "西经", "北緯", "南緯", "東經", "西經", "纬度", "经度", "緯度", "經度"), alphabet="groups", laws=("hipaa:2", "pipl"),
    ),
    Row(
        "pii.gps", rf"""(?:(?:(?<![A-Za-z])(?i:latitude|longitude|lat|lng|lon|long)|(?<=[a-z])(?:Lat(?:itude)?|Lng|Lon(?:gitude)?)){TABLED}|(?<![A-Za-z])(?i:longitude|lng|lon|lat(?:itude)?(?=[ .is]{{1,4}}-?[0-8]?[0-9]\.))\.?(?i: is)? )(?P<value>-?[0-9]{{1,3}}\.[0-9]{{4,16}})""",
        Road.WHOLE, 0.6, 0.6, check="gps_angle", edge=Edge.FREE, gate=rf"""(?i:latitude|longitude|lat|lng|lon|long)(?:{TABLED}|\.?(?i: is)? )-?[0-9]{{1,3}}\.[0-9]{{4}}""", longest=21,
        laws=("hipaa:2", "gdpr"),
    ),
    Row(
        "pii.vin", r"[A-HJ-NPR-Za-hj-npr-z0-9]{9}[A-HJ-NPR-Za-hj-npr-z0-9]{2}[A-HJ-NPR-Za-hj-npr-z0-9]{2}[0-9]{4}",
        Road.WHOLE, 0.4, 0.9, check="vin", cue="vin", longest=17, laws=("hipaa:12",),
    ),
    # Europe's have no check digit: the word before it must say that it is one.
    Row(
        "pii.vin", r"[A-HJ-NPR-Z][A-HJ-NPR-Z0-9]{12}[0-9]{4}", Road.WHOLE, 0.0, 0.8, check="vin_said", cue="vin", longest=17, laws=("hipaa:12",),
    ),
    Row(
        "pii.url",
        rf"""(?:[Hh][Tt][Tt][Pp][Ss]?|ftp)://[^\s\x1a"'<>`]{{3,2000}}|[Ww][Ww][Ww]\.{_HOST}(?::[0-9]{{1,5}})?(?:[/?#][^\s\x1a"'<>`]{{0,2000}})?""",
        Road.WHOLE, 0.6, 0.6, check="url", nobody="url", trim=True, edge=Edge.FREE, longest=2600, laws=("hipaa:14",),
    ),
    Row(
        "pii.uuid", rf"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}", Road.WHOLE, 0.9, 0.9, longest=36, laws=("hipaa:18",),
    ),
    Row(
        "pii.date",
        rf"(?:0?[1-9]|[12][0-9]|3[01])[-. ]{_MONTH}(?:[-. ](?:19|20)[0-9]{{2}})?|(?:0[1-9]|1[0-2])/(?:0[1-9]|[12][0-9]|3[01])|(?:0[1-9]|[12][0-9]|3[01])/(?:0[1-9]|1[0-2])",
        Road.WHOLE, 0.5, 0.5, edge=Edge.SLASHED, alphabet="groups", longest=17, laws=("hipaa:3",),
    ),
    Row(
        "pii.date",
        r"(?:19|20)[0-9]{2}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12][0-9]|3[01])(?:[T ][0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?)?|(?:0?[1-9]|[12][0-9]|3[01])[-/.](?:0?[1-9]|[12][0-9]|3[01])[-/.](?:(?:19|20)[0-9]{2}|[0-9]{2})",
        Road.DIGITS, 0.6, 0.6, edge=Edge.DOTTED, alphabet="groups", longest=29, laws=("hipaa:3",),
    ),
)  # fmt: skip
