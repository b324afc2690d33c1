# ruff: noqa: E501
"""The catalogue: credentials that no provider's name marks: tokens, key blocks, data sources, headers, assignments."""

from __future__ import annotations

from guard.pii.catalog_secrets_clouds import CLOUDS
from guard.pii.catalog_secrets_code import CODE
from guard.pii.catalog_secrets_models import MODELS
from guard.pii.catalog_secrets_work import WORK
from guard.pii.keyrows import B64, UUID, key
from guard.pii.rows import PHRASE, TOLD_PHRASE, WALLET_WORDS, Edge, Road, Row

_IS = r"""["'`)\]]{0,2}[ \t]{0,16}(?:=|:|:=|=>|>|["'] value=)[ \t]{0,3}["'`]{0,2}"""
_TOLD = (
    r"""["'`)\]]{0,2}(?: ?\([^()\n]{1,16}\))?[ \t]{0,3}"""
    r"""(?:=|:|:=|=>|>|->|\||,[ ]?["'`]|[ ]["'`]|\|\| ?["'`]|\?[?:] ?["'`]|: ?&?[A-Za-z]{3,10} ?=|["'] value=|\x1a{1,2}:?)"""
    r"""[ \t]{0,3}@?["'`]{0,2}"""
)
"""The same, and an argument (`get('KEY', 'value')`), a default (`|| 'value'`), a declared type, quoted after a blank
(`#define KEY "value"`), an arrow, a table, Chinese, a remark in brackets: for values that look drawn."""
_PAIRED = r"""["']?,?[ \t]{0,3}(?:\r?\n[ \t]{0,16})?["']?(?:value|Value|VALUE|default)["']?[ \t]{0,3}[:=][ \t]{0,3}["'`]?"""
"""What stands between a name and its value where both are said in full (`name: KEY`, `value: ...`), as manifests do."""
_BELOW = r"""["'`)\]]{0,2}[ \t]{0,3}:[ \t]{0,3}(?:\r?\n){1,2}[ \t]{0,8}["'`]?"""
"""What stands between a label and a value on the line below it."""
_OWNER = "api|app|access|secret|private|client|consumer|encryption|signing|master|service|account|admin|auth|storage|subscription|license|shared|webhook|deploy|hmac|jwt|session|aes|fernet|wep|wpa2?|[xX]-[a-z]{2,16}"
_NAMED = rf"(?:(?:{_OWNER})[ ._-]?key(?:[ _-]?base)?|token|secret|credentials?|art-api|[\"']auth[\"']|_auth)"
_DRAWN = "(?:secret|auth)[ _-]?key|(?:auth|access|private|refresh|bearer)[ _-]?token|(?:client|app|api|webhook)[ _-]?secret"
"""What a UUID behind it is no number of a thing but the secret itself."""
_MARKS = "sk|pat|oat|svc|token|tok|secret|apikey|api|key|live|prod|test|access|auth|priv|private"
"""What vendors write inside the beginning of a key to say that it is one (`polar_oat_`, `live_`)."""
_STORES = "postgres(?:ql)?|mysql|mysqlx|mariadb|mongodb(?:\\+srv)?|rediss?|valkeys?|amqps?|mssql|sqlserver|oracle|clickhouse|cockroachdb|nats|kafka|elasticsearch|opensearch|neo4j|bolt|couchbases?|cassandra|snowflake|influxdb|mqtts?|stomp|memcached|db2|hive2|presto|trino|jdbc:[a-z]{2,12}"
_SITES = "https?|ftps?|sftp|ssh|git|svn|smb|ldaps?|imaps?|pop3s?|smtps?|rtsp|rtmp|socks[45]?h?|wss?|vnc|rdp|telnet|webdav|s3|rsync"
_USER = r"""[^\s\x1a"'`<>/?#@:]{0,64}"""

_PASSWORD = (
    "(?i:pass ?word|passwd|passcode|passphrase|pwd|psw|pw|contrasena|mot de passe|passwort|kennwort|senha"
    "|haslo|heslo|jelszo|salasana|wachtwoord|losenord|passord|adgangskode|kodeord|sifre|mat khau|kata sandi|[np]apojb|[np]apoja|slaptazodis|lozinka|zaporka|geslo|parool|lykilord|contrasenya|(?:wi-?fi|vpn|login|root|admin) pass)"
)
"""The last word but the pass is what the Russian one looks like in ASCII."""
_PASSWORDS = "(?i:password|passwd|passphrase|pwd)"
_SET_OFF = r""">|[ \t]{1,3}\|[ \t]{1,3}| ?\([^()\n]{1,16}\) ?[:=][ ]?|["'] ?value ?= ?["']|[ ]?\{[ \t]{0,3}\r?\n[ \t]{1,8}default[ \t]{0,3}=[ \t]{0,3}|\x1a{1,2}:?[ ]?"""
"""What sets a password off from the word: XML, a table, a remark in brackets, an attribute, a variable of Terraform, Chinese."""
_SIGNED_IN = r"""://[^\s\x1a"'`<>/?#@:]*:[^\s\x1a"'`<>]+@[^\s\x1a"'`<>]"""
"""What an address with a name and a password holds, whatever it begins with: one look for all rows of such."""
_PACKED_PEM = (
    "BSU0EgUFJJVkFURSBLRV|BQUklWQVRFIEtFW|BFQyBQUklWQVRFIEtFW|BPUEVOU1NIIFBSSVZBVEUgS0VZ|BEU0EgUFJJVkFURSBLRV"
)
"""How base64 goes on after -----BEGIN of a private key (client-key-data of a kubeconfig, a secret of Kubernetes)."""

_FORMS = (
    key("jwt", rf"(?:eyJ|ewog){B64}{{8,1000}}\.{B64}{{4,1000}}(?:\.{B64}{{0,1000}}){{0,3}}", 5100, check="jwt"),
    Row(
        "secret.pem", r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----", Road.BLOCK, 0.98, 0.98, edge=Edge.FREE,
        alphabet="block", longest=8400, ahead=64,
    ),
    Row(
        "secret.pem", rf"LS0tLS1CRUdJTi(?:{_PACKED_PEM})[A-Za-z0-9+/]{{20,5000}}={{0,2}}", Road.LITERAL, 0.95, 0.95, edge=Edge.FREE, longest=5060,
    ),
    Row(
        "secret.connection_string",
        rf"""(?:{_STORES})(?:\+[a-z0-9]{{2,16}})?://{_USER}:[^\s\x1a"'`<>]{{1,128}}@[^\s\x1a"'`<>]{{1,256}}""",
        Road.WHOLE, 0.95, 0.95, check="connection_string", gate=_SIGNED_IN, edge=Edge.FREE, longest=520,
    ),
    Row(
        "secret.connection_string",
        r"""(?:;|["']) ?(?i:password|pwd|account ?key|shared ?access ?(?:key|signature)|access ?key|secret)=(?P<value>[^;\s\x1a"'<>]{3,200})""",
        Road.WHOLE, 0.9, 0.9, check="password", edge=Edge.FREE, longest=200,
    ),
    Row(
        "secret.url_credentials",
        rf"""(?:{_SITES})://{_USER}:[^\s\x1a"'`<>/]{{1,128}}@[A-Za-z0-9.-]{{1,255}}(?::[0-9]{{1,5}})?""",
        Road.WHOLE, 0.9, 0.9, check="url_credentials", gate=_SIGNED_IN, edge=Edge.FREE, longest=480,
    ),
    # A token alone in the user's place, as it is written to clone a repository.
    Row(
        "secret.url_credentials", r"""(?:https?|git|ssh)://(?P<value>[A-Za-z0-9_-]{20,255})@[A-Za-z0-9]""", Road.WHOLE, 0.85, 0.85, check="token",
        gate="://[A-Za-z0-9_-]{20,}@", edge=Edge.FREE, longest=255, ahead=2,
    ),
    # Addresses that are secrets: who has one may send.
    Row(
        "secret.url_credentials", r"https://(?:hooks\.zapier\.com/hooks/catch/[0-9]{4,10}/[a-z0-9]{5,12}|hook\.(?:[a-z0-9]{2,4}\.)?make\.com/[a-z0-9]{28,40}|maker\.ifttt\.com/trigger/[A-Za-z0-9_-]{1,64}/(?:json/)?with/key/[A-Za-z0-9_-]{20,60})",
        Road.WHOLE, 0.9, 0.9, check="key", gate=r"://(?:hooks\.zapier|hook\.(?:[a-z0-9]{2,4}\.)?make|maker\.ifttt)\.com/", edge=Edge.FREE, longest=200,
    ),
    Row(
        "secret.url_credentials", r"""(?:[ \t\n]-u|--(?:proxy-)?user)[ \t=]{1,3}["']?(?P<value>[^\s\x1a:"'`<>]{1,64}:[^\s\x1a"'`<>]{0,128})""",
        Road.WHOLE, 0.85, 0.85, check="user_password", edge=Edge.FREE, longest=193,
    ),
    Row(
        "secret.authorization",
        r"""(?i:authorization)["'`\]]{0,2}[ \t]{0,3}[:=,][ \t]{0,3}["'`]?(?:[A-Za-z][A-Za-z-]{2,20}[ \t]{1,3})?(?P<value>[A-Za-z0-9._~+/=@:-]{8,1000})""",
        Road.WHOLE, 0.92, 0.92, check="credential", edge=Edge.FREE, longest=1000,
    ),
    Row(
        "secret.authorization", r"(?:[Bb]earer|BEARER) (?P<value>[A-Za-z0-9._~+/-]{16,1000}={0,2})", Road.WHOLE, 0.8, 0.8, check="credential",
        edge=Edge.FREE, longest=1002,
    ),
    Row(
        "secret.aws_secret_key",
        r"""(?i:aws.{0,16}(?:secret|sk)|secret.{0,3}access.{0,3}key|secretkey|aws_secret).{0,12}?[=: "'`]{1,6}(?P<value>[A-Za-z0-9/+]{40})""",
        Road.WHOLE, 0.9, 0.9, check="shaped_key", longest=40,
    ),
    Row(
        "secret.azure_key",
        rf"""(?i:(?:azure|aad|arm|graph|tenant)[A-Za-z_ .-]{{0,16}}secret){_IS}(?P<value>[A-Za-z0-9_.~+/=-]{{32,44}})""",
        Road.WHOLE, 0.85, 0.85, check="random_key", longest=44,
    ),
    Row(
        "secret.cloud_metadata",
        r"(?:https?://)?(?:169\.254\.169\.254|100\.100\.100\.200|metadata\.google\.internal|metadata\.tencentyun\.com)/[A-Za-z0-9._/-]{0,60}(?:security-credentials/[A-Za-z0-9_.+=@-]{2,64}|service-accounts/[A-Za-z0-9_.@-]{1,64}/(?:token|identity)|identity/oauth2/token)",
        Road.LITERAL, 0.8, 0.8, longest=250, gate=r"(?:169\.254\.169\.254|100\.100\.100\.200|metadata\.google\.internal|metadata\.tencentyun\.com)/[A-Za-z0-9._/-]{0,60}(?:security-credentials|service-accounts|identity/oauth2/token)",
    ),
    key("cloud_metadata", rf"(?:http://169\.254\.170\.2)?/v2/credentials/{UUID}", 80, check="", edge=Edge.FREE, score=0.8),
)  # fmt: skip

_KEY_HINT = rf"""(?i:key(?:[ _-]?base)?|token|secret|credentials?|art-api|["']auth["']|_auth)(?:{_IS}(?:base64:)?|{_TOLD}|{_PAIRED}|{_BELOW})[A-Za-z0-9+/_.~$%!@#*-]{{8}}"""
_PASS_HINT = "(?i:(?:adgangskode|contraseny?a|geslo|haslo|heslo|jelszo|kata sandi|kennwort|kodeord|losenord|lozinka|lykilord|mat khau|[np]apoj[ab]|parola|parool|pass|passcode|passe|pass ?word|passord|passphrase|passwd|passwort|psk|psw|pw|pwd|salasana|senha|sifre|slaptazodis|wachtwoord|zaporka)(?:[^A-Za-z0-9]|value|default))"
"""What names of keys end in, with what stands before a value, and what words for passwords do: in few states."""
_TAKES = (
    r"""openssl [^\n"'`;|&<>]{1,60} -k |-(?:store|key|srcstore|srckey|deststore|destkey)pass |ConvertTo-SecureString (?:-String )?"""
    r"""|getConnection\([^()\n]{1,80}, ?["'][^"'\n]{1,40}["'], ?["']"""
)
"""What takes a password: a program, a cmdlet, a call."""
_BEHIND = r"""(?:\([^()\n]{1,12}\))?[ \t:=-]{0,3}["'`\[]?[!-~]{4}"""

_ASSIGNED = (
    Row(
        "secret.env", rf"""(?i:{_NAMED}){_IS}(?:base64:)?(?P<value>[A-Za-z0-9+/_.~$%!@#*-]{{8,250}}+={{0,2}}+)(?![(\[])""",
        Road.WHOLE, 0.8, 0.8, check="token", gate=rf"""(?i:{_NAMED}){_IS}(?:base64:)?[A-Za-z0-9+/_.~$%!@#*-]{{8}}""", hint=_KEY_HINT, unless="passing_token", edge=Edge.FREE, longest=252,
    ),
    Row(
        "secret.env", rf"""(?:(?i:{_NAMED})|[A-Z0-9]_KEY)(?:{_TOLD}|{_PAIRED}|{_BELOW})(?P<value>[A-Za-z0-9+/_.-]{{16,160}}={{0,2}})""", Road.WHOLE, 0.75, 0.75, check="high_entropy", hint=_KEY_HINT, unless="passing_token",
        edge=Edge.FREE, longest=162,
    ),
    Row(
        "secret.env",
        r"""(?i:jsessionid|phpsessid|sessionid|connect\.sid|(?:set-)?cookie: ?[a-z_.]{0,20}sess(?:ion)?[a-z_.]{0,12})=(?P<value>[A-Za-z0-9%:._~+/-]{16,250}={0,2})""",
        Road.WHOLE, 0.75, 0.75, check="token", gate=r"(?i:sess[a-z_.]{0,15}|connect\.sid)=[A-Za-z0-9%:._~+/-]{16}", edge=Edge.FREE, longest=252,
    ),
    Row(
        "secret.env", rf"""(?:(?i:(?:api|access)[ _-]?key)|(?<=[A-Z0-9]_)TOKEN){_IS}(?P<value>{UUID})""",
        Road.WHOLE, 0.92, 0.92, check="random_key", gate=rf"""(?:(?i:(?:api|access)[ _-]?key)|_TOKEN){_IS}{UUID}""", hint=_KEY_HINT, edge=Edge.FREE, longest=36,
    ),
    Row("secret.env", rf"""(?i:{_DRAWN}){_IS}(?P<value>{UUID})""", Road.WHOLE, 0.91, 0.91, check="random_key", hint=_KEY_HINT, edge=Edge.FREE, longest=36),
    Row(
        "secret.env",
        r"""--(?:(?:api|access|auth|secret)-?)?(?:key|token|secret) ["']?(?P<value>[A-Za-z0-9+/_.~$%!@#*-]{8,250}={0,2})""",
        Road.LITERAL, 0.8, 0.8, check="token", edge=Edge.FREE, longest=252,
    ),
    Row(
        "secret.env", r"""\x1a?(?:\([^()\n]{1,12}\))?[ \t:=>|-]{0,3}["'`\[]?(?P<value>[A-Za-z0-9+/_.~$%!@#*-]{8,250}={0,2})""", Road.AFTER, 0.8, 0.8, check="token",
        gate=_BEHIND, edge=Edge.FREE, heads=("密钥", "密鑰", "秘钥", "令牌", "私钥", "凭证", "凭据", "授权码"), tail="是为為", longest=252,
    ),
    Row(
        "secret.env", r"\x1a?[ :=]{0,3}(?P<value>[a-z]{16})", Road.AFTER, 0.75, 0.75, heads=("授权码",), tail="是为為", longest=16,
    ),
    Row(
        "secret.high_entropy",
        r"""(?i:(?:(?:api|access|secret|private|auth|encryption|license|signing|webhook|master|session|service|hmac|jwt|client|shared|storage|deploy|root) ?key|token|secret|credential|passphrase)s?)(?:,? (?:is|was|as|to|of|here))?[ :=-]{1,3}["'`(]?(?P<value>[A-Za-z0-9+/_.-]{16,160}={0,2})""",
        Road.WHOLE, 0.7, 0.7, check="high_entropy", unless="passing_token", longest=162,
    ),
    # A key of whatever vendor that says inside its beginning that it is one; hex alone may be a digest.
    Row(
        "secret.high_entropy", rf"(?<![A-Za-z0-9_-])(?!pk_|cs_)(?:[a-z][a-z0-9]{{1,15}}_){{0,2}}(?:(?:{_MARKS})_(?:[a-z0-9]{{2,8}}_)?(?![0-9a-f]{{24,100}}(?![0-9A-Za-z]))[A-Za-z0-9]{{24,100}}|(?:sk|pat|oat|live|apikey|secret)_[0-9a-f]{{32,100}})", Road.WHOLE, 0.75, 0.75,
        check="drawn_key", gate=rf"(?:{_MARKS})_(?:[a-z0-9]{{2,8}}_)?[A-Za-z0-9]{{20,}}", longest=160,
    ),
    # Private keys of wallets (WIF, BIP 32), by their checksum.
    Row("secret.high_entropy", r"(?:[5KL][1-9A-HJ-NP-Za-km-z]{50,51}|[xyz]prv[1-9A-HJ-NP-Za-km-z]{107})", Road.WHOLE, 0.95, 0.95, check="base58check", gate="[5KL][1-9A-HJ-NP-Za-km-z]{50,51}|[xyz]prv[1-9A-HJ-NP-Za-km-z]{24,}", longest=111),
    Row(
        "secret.password",
        rf"""(?i:_(?:password|passwd|pwd|passphrase|pass))(?:{_IS}|["'],[ ]?["'](?=[^"'\s]{{4,64}}["'])(?=[^"'0-9]{{0,40}}[0-9]))(?P<value>[!#-&(-~]{{4,128}})""",
        Road.WHOLE, 0.85, 0.85, check="password", edge=Edge.FREE, hint=_PASS_HINT, gate=rf"""(?i:_(?:password|passwd|pwd|passphrase|pass))(?:{_IS}|["'],[ ]?["'])[!#-&(-~]{{4}}""", longest=128,
    ),
    Row(
        "secret.password",
        r"""(?:(?:(?:sshpass|docker login|az login|mongo(?:sh|dump|restore)?)(?: [^\n"'`;|&<>]{0,40}?)? -p|(?:sqlcmd|bcp|isql)(?: [^\n"'`;|&<>]{0,40}?)? -P|redis-cli(?: [^\n"'`;|&<>]{0,40}?)? -a)[ ]?|-pass(?:in|out)? pass:|net use [^"'`;|&<>]{1,40}/user:[^\s"'`]{1,40} )["']?(?!--)(?P<value>[!#-&(-~]{4,128})""",
        Road.WHOLE, 0.85, 0.85, check="password", edge=Edge.FREE, gate=r"""(?:(?:(?:sshpass|docker login|az login|mongo(?:sh|dump|restore)?)(?: [^\n"'`;|&<>]{0,40}?)? -p|(?:sqlcmd|bcp|isql)(?: [^\n"'`;|&<>]{0,40}?)? -P|redis-cli(?: [^\n"'`;|&<>]{0,40}?)? -a)[ ]?|-pass(?:in|out)? pass:|net use [^"'`;|&<>]{1,40}/user:[^\s"'`]{1,40} )["']?[!#-&(-~]{4}""", longest=128,
    ),
    Row(
        "secret.password", rf"""(?:{_TAKES})["']?(?![-$])(?P<value>[!#-&(-~]{{4,128}})""", Road.WHOLE, 0.85, 0.85,
        check="password", edge=Edge.FREE, gate=rf"""(?:{_TAKES})["']?[!#-&(-~]{{4}}""", longest=128,
    ),
    # A line of .pgpass; a password that Jenkins has encrypted.
    Row(
        "secret.password", r"""(?:[A-Za-z0-9_.-]{1,64}|\*):(?:543[0-9]|6432|\*):[A-Za-z0-9_*-]{1,63}:[A-Za-z0-9_.-]{1,63}:(?P<value>[!#-&(-9;-~]{4,128})(?![^\s])""", Road.WHOLE, 0.8, 0.8,
        check="token", gate=r"""[A-Za-z0-9_.*-]:(?:543[0-9]|6432|\*):[A-Za-z0-9_*-]{1,63}:[A-Za-z0-9_.-]{1,63}:[!#-&(-9;-~]{4}""", edge=Edge.FREE, longest=128,
    ),
    Row("secret.password", r"\{AQAAABAAAA[A-Za-z0-9+/]{12,400}={0,2}\}", Road.LITERAL, 0.8, 0.8, edge=Edge.FREE, longest=414, gate=r"\{AQAAABAAAA[A-Za-z0-9+/]{12}"),
    # Hashes of passwords, as /etc/shadow, .htpasswd and tables of users keep them: weak ones are guessed.
    Row(
        "secret.password",
        r"\$(?:2[abxy]\$[0-3][0-9]\$[./A-Za-z0-9]{53}|(?:[156]|apr1)\$(?:rounds=[0-9]{4,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{22,86}|argon2(?:id?|d)\$v=[0-9]{2}\$[mtp=0-9,]{6,40}\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86})",
        Road.LITERAL, 0.8, 0.8, check="key", edge=Edge.FREE, longest=260, gate=r"\$(?:2[abxy]\$[0-3][0-9]\$[./A-Za-z0-9]{8}|[156]\$|apr1\$|argon2)",
    ),
    Row(
        "secret.password", r"""(?:mysql|mariadb)[a-z-]{0,8}(?: [^\n"'`;|&<>]{0,40}?)? -p["']?(?P<value>[!#-&(-~]{6,128})""", Road.WHOLE, 0.8, 0.8,
        check="token", edge=Edge.FREE, longest=128,
    ),
    Row(
        "secret.password", r"""(?i:identified (?:with [a-z0-9_]{4,40} )?by)[ ](?i:password )?["'](?P<value>[!#-&(-~]{4,128})""", Road.WHOLE, 0.8, 0.8,
        check="password_said", edge=Edge.FREE, longest=128,
    ),
    Row(
        "pii.password", PHRASE, Road.WHOLE, 0.8, 0.8, check="passphrase", gate=r"""hrase["']?(?: is)? ?[:=]""", edge=Edge.FREE, trim=True, alphabet="phrase", longest=263,
    ),
    Row(
        "pii.password", TOLD_PHRASE, Road.WHOLE, 0.8, 0.8, check="wallet_words", gate=r"""(?:hrase|nemonic|[Ss]eed)["']?(?: [Ww]ords)?(?: is| was)?[ :=]""", edge=Edge.FREE, alphabet="phrase", longest=263,
    ),
    Row(
        "pii.password", r"""\x1a?[ :=]{0,3}["'`]?""" + WALLET_WORDS, Road.AFTER, 0.8, 0.8, check="wallet_words", gate=r"""\x1a?[ :=]{0,3}["'`]?[a-z]{3,8} [a-z]{3,8} [a-z]{3,8} [a-z]{3}""", edge=Edge.FREE, alphabet="phrase",
        heads=("助记词", "助記詞", "恢复短语", "恢復短語", "种子短语"), tail="是为為", longest=263,
    ),
    Row(
        "pii.password",
        _PASSWORD + r"""["'`]?\]?[ \t]{0,16}(?:[:=]|:=|=>)[ \t]{0,3}(?:@?["'`])?(?P<value>[!#-&(-~]{4,128})""",
        Road.WHOLE, 0.8, 0.8, check="password", hint=_PASS_HINT, edge=Edge.FREE, longest=128,
    ),
    Row(
        "pii.password",
        rf"(?:{_PASSWORD}|(?i:parola))" + r"""(?:(?:(?: (?:is|was|has been))? (?:set|changed|reset|updated) to|(?: (?:for|to|of)(?: [A-Za-z0-9'-]{1,16}){1,4})? (?:is|was|will be|ist|lautet|es|est)|)(?:[: ]{1,2}| - )|(?: (?:for|of|d[aeou]|del|della|fur|voor|dla|til|para|pentru))(?: [A-Za-z0-9._@'-]{1,32}){1,3}: )["'`]{0,2}(?P<value>[!#-&(-~]{4,128})""",
        Road.WHOLE, 0.6, 0.6, check="password_said", hint=_PASS_HINT, edge=Edge.FREE, longest=128,
    ),
    Row(
        "pii.password", rf"""{_PASSWORDS}(?:["']?(?:{_SET_OFF})["'`]?|(?:{_PAIRED}|{_BELOW})(?=[^\s\x1a]{{0,40}}[0-9])(?![A-Za-z0-9_-]{{1,40}}:\s))(?P<value>[!#-&(-;=?-~]{{4,128}})""", Road.WHOLE, 0.75, 0.75,
        check="password_said", hint=_PASS_HINT, gate=rf"""{_PASSWORDS}(?:["']?(?:{_SET_OFF})["'`]?|{_PAIRED}|{_BELOW})[!#-&(-;=?-~]{{4}}""", edge=Edge.FREE, longest=128,
    ),
    Row(
        "pii.password", r"""(?i:(?:set|changed?|reset|updated?) (?:the |my |your |our )?(?:[a-z]{1,16} )?password to )["'`]?(?P<value>[!#-&(-~]{4,128})""", Road.WHOLE, 0.7, 0.7,
        check="password_said", edge=Edge.FREE, hint=_PASS_HINT, gate=r"""(?i:password to )["'`]?[!-~]{4}""", longest=128,
    ),
    Row(
        "pii.password", r"""(?:requirepass|masterauth|masteruserpw|rootpw)[ \t]{1,3}["']?(?P<value>[!#-&(-~]{4,128})""", Road.WHOLE, 0.8, 0.8,
        check="password", edge=Edge.FREE, longest=128,
    ),
    Row(
        "pii.password", r"WIFI:(?:[A-Z]:[^;\n]{0,32};){1,3}P:(?P<value>[!-:<-~]{4,63})", Road.LITERAL, 0.85, 0.85, check="password", edge=Edge.FREE, longest=63,
    ),
    Row(
        "pii.password", r"""\x1a{2,3}[ \t:]{0,2}["'`]?(?P<value>[!#-&(-~]{8,128})""", Road.AFTER, 0.7, 0.7, check="token", edge=Edge.FREE,
        heads=("密码",), tail="改重设都变更换初统", longest=128,
    ),
    Row(
        "pii.password", r"""(?<![A-Za-z/])(?i:pass|psk)(?: (?:for|to|of)(?: [A-Za-z0-9'-]{1,16}){1,3})?["']?[ ]?[:=][ ]?["'`]?(?P<value>[!#-&(-~]{6,128})""", Road.WHOLE, 0.7, 0.7, check="token", edge=Edge.FREE,
        hint=_PASS_HINT, gate=r"""(?i:pass|psk)(?: (?:for|to|of) [A-Za-z0-9' -]{1,50})?["']?[ ]?[:=][ ]?["'`]?[!-~]{6}""", longest=128,
    ),
    Row(
        "pii.password", r"""(?i:(?:user(?:[ _]?name)?|login|account|email)s?[ ]?(?:/|&|and)[ ]?(?:password|passwd|pwd|pass|pw))["']?[ ]?(?:[:=]|is|\x1a{1,2}:?)[ ]?[A-Za-z0-9._@+-]{2,48}(?:[ ]?[/:|,][ ]?|[ ])(?P<value>[!#-&(-~]{4,128})""",
        Road.WHOLE, 0.75, 0.75, check="password_said", edge=Edge.FREE, longest=128,
    ),
    Row(
        "pii.password", r"""(?<![A-Za-z])(?i:cred(?:ential)?s|basic[ _-]?auth|login)["']?[ ]?[:=][ ]?["']?[A-Za-z][A-Za-z0-9._@-]{1,40}(?: ?/ ?|:)(?P<value>[!#-&(-~]{8,128})""",
        Road.WHOLE, 0.75, 0.75, check="token", edge=Edge.FREE, gate=r"""(?i:creds|credentials|auth|login)["']?[ ]?[:=][ ]?["']?[A-Za-z][A-Za-z0-9._@-]{1,40}(?: ?/ ?|:)[!-~]{8}""", longest=128,
    ),
    Row(
        "pii.password", r"""\x1a?(?:\([^()\n]{1,12}\))?[ \t:=>|-]{0,3}["'`\[]?(?P<value>[!#-&(-~]{4,128})""", Road.AFTER, 0.8, 0.8, check="password", edge=Edge.FREE,
        gate=_BEHIND, heads=("密码", "密碼", "口令", "비밀번호", "パスワード", "סיסמה", "סיסמא", "كلمة المرور", "كلمة السر", "رمز عبور", "รหัสผ่าน", "पासवर्ड"), tail="是为為は는은", longest=128,
    ),
)  # fmt: skip

SECRETS = (*MODELS, *CLOUDS, *CODE, *WORK, *_FORMS, *_ASSIGNED)
