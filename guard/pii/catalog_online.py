# ruff: noqa: E501
"""The catalogue: what people are called where they log in: user names, handles in chats and networks."""

from __future__ import annotations

from guard.pii.layouts import ASSIGNED, set_by
from guard.pii.rows import Edge, Road, Row

_KEYED = set_by(r"""=>(?=[ \t]{0,3}["'])|[:=]""")
_NO_KEY = r"(?!(?<=[_-][Ii][Dd])[^A-Za-z0-9\n]{1,12}[0-9]+(?![A-Za-z0-9._-]))(?!(?<=[A-Za-z]I[Dd])[^A-Za-z0-9\n]{1,12}[0-9]+(?![A-Za-z0-9._-]))"
"""What programs call user_id or userId is the key of a row where it is a number."""
_USER = r"(?:user|usr|acct|ruser|logname)"
_LOGGED = r"(?:[A-Za-z_.]=(?:[^\s,;()\x22]{1,24}|\x22[^\x22\n]{0,40}\x22)|(?:[0-9]{2}:[0-9]{2}:[0-9]{2}|INFO|WARN|WARNING|ERROR|DEBUG|NOTICE|info|warn|warning|error|debug|\])[^\n=,;()\"']{0,32})"
"""What stands before a pair of a log line, and before no argument of a call."""
_LOGIN = "benutzername|gebruikersnaam|nome utente|nombre de usuario|nom d'utilisateur|user ?name|user[_-]name|user[_ -]?id|login(?:[ _-]?(?:name|id))?|screen[ _-]?name"

_KNOWN = "telegram|instagram|twitter|tik ?tok|snapchat"
_NETWORK = f"{_KNOWN}|insta|threads|bluesky|mastodon|weibo|douyin|tg|ig"
_CHAT = f"{_KNOWN}|discord|skype|kakao(?:talk)?"
_NAMED = "(?i:id|handle|user ?name|account|nickname|nick)"

ONLINE = (
    Row(
        "pii.username", rf"""(?i:{_LOGIN}){_NO_KEY}(?i: is|s)?(?:{_KEYED}|>(?=[A-Za-z])|(?<= is) (?=[A-Za-z._-]{{1,24}}[0-9]))(?P<value>[A-Za-z0-9][A-Za-z0-9._-]{{2,31}})(?![A-Za-z0-9._-]{{0,40}}[(\[])""",
        Road.WHOLE, 0.6, 0.6, check="username", gate=rf"""(?i:{_LOGIN})(?:(?i: is|s)?{ASSIGNED}|(?i: is) )[A-Za-z0-9][A-Za-z0-9._-]{{2,31}}""", longest=32, ahead=42, laws=("gdpr",),
    ),
    # Lines of logs: a pair behind another pair, a level or a time; sshd, PAM, databases, `id`.
    Row(
        "pii.username",
        rf"""(?:{_LOGGED}[ \t]{_USER}=["']?|(?:Accepted|Failed) (?:password|publickey|none|hostbased|keyboard-interactive(?:/pam)?|gssapi-with-mic) for (?:invalid user )?|session (?:opened|closed) for user |(?:failed|denied|failure) for user ["']|(?<![A-Za-z])(?:[ug]id|groups)=[0-9]{{1,6}}\()(?P<value>[A-Za-z][A-Za-z0-9._-]{{1,31}})(?![A-Za-z0-9._@,;(-])""",
        Road.WHOLE, 0.6, 0.6, check="username", gate=rf"""[ \t]{_USER}=["']?[A-Za-z]|(?:Accepted|Failed) [a-z/-]{{4,30}} for |(?:opened|closed|failed|denied|failure) for user |(?:[ug]id|groups)=[0-9]{{1,6}}\(""",
        edge=Edge.FREE, longest=32, laws=("gdpr",),
    ),
    Row(
        "pii.username", r"""(?:\x1a?[ ]?[:=][ ]?["']?|[ ](?=[A-Za-z._-]{1,24}[0-9]))(?P<value>[A-Za-z0-9][A-Za-z0-9._-]{2,31})""", Road.AFTER, 0.7, 0.7, check="username",
        gate=r"""(?:\x1a?[ ]?[:=][ ]?["']?|[ ])[A-Za-z0-9][A-Za-z0-9._-]{2,31}""", tail="是为", longest=32,
        heads=("用户名", "登录名", "用戶名", "登入名", "昵称", "账户名"), laws=("gdpr", "pipl"),
    ),
    Row(
        "pii.username", r"""\x1a?[ ]?[:=][ ]?["']?(?P<value>[A-Za-z][A-Za-z0-9._-]{2,31})""", Road.AFTER, 0.6, 0.6, check="username", tail="是为", longest=32,
        heads=("账号", "帐号", "帳號"), laws=("gdpr", "pipl"),
    ),
    # Handles: behind the network with an @, or behind the network and a word for a name.
    Row(
        "pii.username", rf"(?<![A-Za-z@.])(?i:{_NETWORK})(?i:[ ](?:id|handle|account|user ?name|name|at|as|is|me))?(?i:[ ]is)?[ :=]{{1,3}}@(?P<value>[A-Za-z0-9_][A-Za-z0-9_.]{{2,31}})(?![A-Za-z0-9_@])",
        Road.WHOLE, 0.6, 0.6, check="username", gate=rf"(?i:{_NETWORK})[A-Za-z :=]{{0,16}}[ :=]@[A-Za-z0-9_]", hint="[ :=]@[A-Za-z0-9_]", edge=Edge.FREE, longest=32, ahead=2, laws=("gdpr", "hipaa:18"),
    ),
    Row(
        "pii.username", rf"(?<![A-Za-z@.])(?:(?i:{_CHAT})[ ]{_NAMED}|(?:LINE|Line) ID)(?:(?i: is)?[ ]?[:=][ ]?|(?i: is) )@?(?P<value>[A-Za-z0-9][A-Za-z0-9._-]{{2,31}}(?:#[0-9]{{4}})?)(?![A-Za-z0-9._@(\[-])",
        Road.WHOLE, 0.6, 0.6, check="username", gate=rf"(?i:{_CHAT})[ ]{_NAMED}|L(?:INE|ine) ID", edge=Edge.FREE, longest=37, ahead=2, laws=("gdpr", "hipaa:18"),
    ),
    Row(
        "pii.username", r"(?<![A-Za-z])(?i:discord)(?i:[ ](?:is|at|as|tag|name|me))?[ :=]{1,3}@?(?P<value>[A-Za-z0-9][A-Za-z0-9._-]{1,31}#[0-9]{4})(?![A-Za-z0-9])", Road.WHOLE, 0.7, 0.7,
        gate=r"(?i:discord)[A-Za-z :=@]{1,12}[A-Za-z0-9._-]{2,32}#[0-9]{4}", hint="[A-Za-z0-9._-]#[0-9]{4}", edge=Edge.FREE, longest=37, laws=("gdpr", "hipaa:18"),
    ),
)  # fmt: skip
