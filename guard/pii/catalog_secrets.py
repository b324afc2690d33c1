# ruff: noqa: E501
"""The catalogue: credentials. Shapes follow the providers' documentation and push-protection lists (2026)."""

from __future__ import annotations

from guard.pii.rows import Edge, Road, Row

_B64 = "[A-Za-z0-9_-]"
_AN = "[A-Za-z0-9]"
_HEX = "[0-9a-f]"


def _key(kind: str, core: str, longest: int, *, score: float = 0.95, check: str = "", road: Road = Road.LITERAL) -> Row:
    return Row(f"secret.{kind}", core, road, score, score, check=check, longest=longest)


SECRETS = (
    _key("anthropic_key", rf"sk-ant-{_B64}{{16,200}}", 207),
    _key("openai_key", rf"sk-(?:proj|svcacct|admin|None)-{_B64}{{20,250}}", 262),
    _key("openai_key", rf"sk-{_AN}{{20,64}}", 67),
    _key("aws_key", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}", 20, road=Road.WHOLE),
    _key("github_token", rf"gh[pousr]_{_AN}{{36,255}}", 259),
    _key("github_token", rf"github_pat_{_AN}{{22}}_{_AN}{{59}}", 93),
    _key("gitlab_token", rf"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct)-{_B64}{{20,64}}", 72),
    _key("slack_token", r"xox[abeoprs]-[0-9A-Za-z-]{10,250}", 255),
    _key("slack_token", rf"xapp-[0-9]-[A-Z0-9]{{9,12}}-[0-9]{{10,14}}-{_AN}{{40,80}}", 120),
    _key("slack_webhook", r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,80}", 120),
    _key("google_key", rf"AIza{_B64}{{35}}", 39),
    _key("google_oauth", rf"GOCSPX-{_B64}{{28}}", 35),
    _key("google_oauth", rf"ya29\.{_B64}{{30,300}}", 305),
    _key("stripe_key", rf"[rs]k_(?:live|test|prod)_{_AN}{{24,128}}", 140, road=Road.WHOLE),
    _key("stripe_key", rf"whsec_{_AN}{{32,64}}", 70),
    _key("twilio_key", rf"(?:SK|AC){_HEX}{{32}}", 34, road=Road.WHOLE),
    _key("sendgrid_key", rf"SG\.{_B64}{{22}}\.{_B64}{{43}}", 69),
    _key("npm_token", rf"npm_{_AN}{{36}}", 40),
    _key("pypi_token", rf"pypi-AgEIcHlwaS5vcmc{_B64}{{50,250}}", 270),
    _key("huggingface_token", r"(?:hf_|api_org_)[A-Za-z]{34}", 48, road=Road.WHOLE),
    _key("high_entropy", rf"tskey-[a-z]{{2,12}}-{_AN}{{8,20}}-{_AN}{{16,40}}", 90),
    _key("high_entropy", rf"shp(?:ss|at|ca|pa)_{_AN}{{32,44}}", 52),
    _key("high_entropy", rf"dckr_(?:pat|oat)_{_B64}{{27,36}}", 48),
    _key("jwt", rf"eyJ{_B64}{{10,1000}}\.(?:eyJ|ey){_B64}{{8,1000}}{_B64}{{0,1000}}\.{_B64}{{0,1000}}", 4020, check="jwt"),
    Row(
        "secret.pem", r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----", Road.BLOCK, 0.98, 0.98, edge=Edge.FREE,
        alphabet="block", longest=8400, ahead=64,
    ),
    Row(
        "secret.connection_string",
        r"""(?:postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|rediss?|amqps?|mssql|sqlserver|oracle|clickhouse|cockroachdb|nats|kafka|elasticsearch|neo4j|bolt|jdbc:[a-z]{2,12})(?:\+[a-z0-9]{2,16})?://[^\s\x1a"'<>/?#@:]{0,64}:[^\s\x1a"'<>]{1,128}@[^\s\x1a"'<>]{1,256}""",
        Road.WHOLE, 0.95, 0.95, check="connection_string", edge=Edge.FREE, longest=520,
    ),
    Row(
        "secret.connection_string",
        r"""(?i:(?:server|data source|host|accountname|endpoint)=[^;\s\x1a"']{1,128};(?:[a-z ]{2,30}=[^;\x1a"'\r\n]{0,128};){0,8}(?:password|pwd|accountkey|sharedaccesskey)=)(?P<value>[^;\s\x1a"']{3,200})""",
        Road.WHOLE, 0.9, 0.9, check="password", edge=Edge.FREE, longest=200,
    ),
    Row(
        "secret.authorization",
        r"""(?i:authorization)["']?[ \t]{0,3}[:=][ \t]{0,3}["']?(?i:basic|bearer|token|apikey|digest)[ \t]{1,3}(?P<value>[A-Za-z0-9._~+/=-]{8,1000})""",
        Road.WHOLE, 0.9, 0.9, check="credential", edge=Edge.FREE, longest=1000,
    ),
    Row(
        "secret.authorization", r"(?:[Bb]earer|BEARER) (?P<value>[A-Za-z0-9._~+/-]{16,1000}={0,2})", Road.WHOLE, 0.8, 0.8, check="credential",
        edge=Edge.FREE, longest=1002,
    ),
    Row(
        "secret.aws_secret_key",
        r"""(?i:aws.{0,20}(?:secret|sk)|secret.{0,3}access.{0,3}key|secretkey|aws_secret).{0,20}?[=: "'`]{1,6}(?P<value>[A-Za-z0-9/+]{40})""",
        Road.WHOLE, 0.9, 0.9, check="credential", longest=40,
    ),
    Row(
        "secret.env",
        r"""(?i:(?:api[_-]?key|apikey|secret_?key|secret|access_?key|auth_?token|access_?token|token|private_?key|client_?secret|encryption_?key|signing_?key|credentials?))["']?[ \t]{0,3}(?:=|:|:=|=>)[ \t]{0,3}["'`]?(?P<value>[A-Za-z0-9+/_.~$%!@#*-]{8,250}={0,2})""",
        Road.WHOLE, 0.8, 0.8, check="token", edge=Edge.FREE, longest=252,
    ),
    Row(
        "secret.password",
        r"""(?i:_(?:password|passwd|pwd|passphrase|pass))["']?[ \t]{0,3}(?:=|:|:=|=>)[ \t]{0,3}["'`]?(?P<value>[!#-&(-~]{4,128})""",
        Road.WHOLE, 0.85, 0.85, check="password", edge=Edge.FREE, longest=128,
    ),
    Row(
        "pii.password",
        r"""(?i:pass ?word|passwd|passcode|passphrase|pwd|pw|contrasena|mot de passe|passwort|kennwort|senha)["'`]?[ \t]{0,3}(?:[:=]|:=|=>)[ \t]{0,3}["'`]?(?P<value>[!#-&(-~]{4,128})""",
        Road.WHOLE, 0.8, 0.8, check="password", edge=Edge.FREE, longest=128,
    ),
    Row(
        "pii.password",
        r"""(?i:pass ?word|passwd|passcode|passphrase|pwd|pw|contrasena|mot de passe|passwort|kennwort|senha)(?: (?:is|was|ist|es|est)|)[: ]{1,2}["'`]?(?P<value>[!#-&(-~]{4,128})""",
        Road.WHOLE, 0.6, 0.6, check="password_said", edge=Edge.FREE, longest=128,
    ),
    Row(
        "pii.password", r"""\x1a?[ \t:=-]{0,3}["'`]?(?P<value>[!#-&(-~]{4,128})""", Road.AFTER, 0.8, 0.8, check="password", edge=Edge.FREE,
        heads=("密码", "密碼", "口令"), tail="是为為", longest=128,
    ),
)  # fmt: skip
