"""Texts that a scanner reads while a server starts, so that the first texts of others find made what they ask for."""

_VALUES = """Mail jo.doe42@mail.example.org, call +44 20 7946 0958, +1 415 555 0132, (415) 555-0132 or 030 901820.
Card 4111 1111 1111 1111, IBAN DE89370400440532013000, SSN 219-09-9999, born 1985-07-12, from 192.0.2.10, NIF 54362315K.
Bank account 01-0242-0100194-00 in NZ.
1. In 2019 about 42% of 31415 saw https://docs.example.org/v2.1/README.md, key sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z.
INFO 2024-03-15T10:20:30Z request_id=7f3a9c status=200 path=/api/v1/users/42 duration_ms=12.7
我的身份证号是11010119900307003X，电话13800138000，邮箱demo@example.com，银行卡号6222020000000000000，车牌京A12345。
"""
"""Reserved and made-up values of the kinds that texts hold most."""

_WORDS = '''The quick brown fox jumps over the lazy dog; explain how this question, which people ask, would be answered?
def _value(self, items: list[int], *, kind="plain") -> dict[str, Any]:
    """Return what matters; see https://docs.example.org/library/index.html#module."""
    if not items and kind != "plain":
        raise ValueError(f"unknown {kind!r} (expected: {', '.join(_KNOWN)})")
    return {"name": kind, 'total': sum(items), "url": None}  # a remark
| Column | Meaning | Default |
- **Option**: `--max-size=SIZE` limits it to $SIZE & more (see [here](./guide.md)), e.g. "yes" or it's <b>no</b>.
'''
"""Prose, code and marks without a digit."""

SAMPLES = (_VALUES + _WORDS, _WORDS)
