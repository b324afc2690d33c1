"""Values behind their names in markup, forms, SQL, subscripts and quotes (`guard/pii/named.py`)."""

from __future__ import annotations

import re

import pytest

from guard.pii.named import named
from guard.pii.names_latin import CUED
from guard.pii.resolve import STRONG
from guard.pii.scan import Scanner

FORMS = {
    "HTML table": "<tr><td>{name}</td><td>{value}</td></tr>",
    "HTML table with headings": "<tr><th>id</th><th>{name}</th></tr>\n<tr><td>7</td><td>{value}</td></tr>",
    "HTML in capitals": "<TABLE><TR><TD>{name}</TD><TD ALIGN=left>{value}</TD></TR></TABLE>",
    "HTML list": "<dl><dt>{name}:</dt> <dd>{value}</dd></dl>",
    "HTML label": '<b class="x">{name}</b> <span id="a">{value}</span>',
    "HTML form": '<input type="text" name="{name}" id="f7" value="{value}">',
    "multipart form": 'Content-Disposition: form-data; name="{name}"\r\nContent-Type: text/plain\r\n\r\n{value}\r\n',
    "property list": "<key>{name}</key>\n  <string>{value}</string>",
    "SQL": "INSERT INTO people (id, {name}, at) VALUES (7, '{value}', NOW()), (8, NULL, NOW())",
    "SQL, second row": "insert into people (id, `{name}`)\nvalues (6, 'O''Hara, x'), (7, '{value}')",
    "subscript": "user['{name}'] = '{value}'",
    "bold in Markdown": "- **{name}:** {value}",
    "bold before the sign": "**{name}**: {value}",
    "slanted": "*{name}*: {value}",
    "code in Markdown": "`{name}` = `{value}`",
    "bold value": "{name}: **{value}**",
    "bold in HTML": "<li><strong>{name}:</strong> {value}</li>",
    "lines of XML": "<row>\n<field>\n  <b>{name}</b>: {value}\n</field></row>",
    "pair of JSON": '{{"name": "{name}", "type": "text", "value": "{value}"}}',
    "escaped pair of JSON": '{{\\"key\\":\\"{name}\\",\\"value\\":\\"{value}\\"}}',
    "subscript of PHP": '$user["{name}"] => {value};',
}  # fmt: skip
NAMES = {
    "cvv": ("814", "pii.cvv"),
    "pin": ("4821", "pii.pin"),
    "username": ("maria_k88", "pii.username"),
    "account number": ("000123456789", "pii.bank_account"),
    "zip": ("94110", "pii.us.zip"),
    "password": ("hunter2xyz9", "pii.password"),
    "密码": ("hunter2xyz9", "pii.password"),
    "用户名": ("maria_k88", "pii.username"),
    "安全码": ("814", "pii.cvv"),
}
QUOTED = {
    "JSON": '{{"id": 7, "{name}": "{value}"}}',
    "escaped JSON": '{{\\"{name}\\": \\"{value}\\"}}',
    "attribute": '<user {name}="{value}"/>',
    "object of a program": "const user = {{{name}: '{value}'}};",
    "hash of Ruby": '"{name}" => "{value}",',
    "TOML": '{name} = "{value}"',
    "XML": "<用户><{name}>{value}</{name}></用户>",
}


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    """Everything that is on by default."""
    return Scanner()


@pytest.fixture(scope="module")
def naming() -> Scanner:
    """The same with names that are sure."""
    return Scanner(names=STRONG)


def _found(scanner: Scanner, text: str, kind: str) -> list[str]:
    return [
        text[f.start : f.end]
        for f in scanner.scan(text)
        if f.score >= STRONG and f.kind.split(".")[-1] == kind.split(".")[-1]
    ]


def _unmarked(text: str) -> tuple[str, list[str]]:
    """A text without the brackets around its values, and these."""
    return text.replace("⟦", "").replace("⟧", ""), re.findall("⟦([^⟧]*)⟧", text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_a_value_is_found_behind_its_name(scanner: Scanner, form: str, name: str) -> None:
    """B28: whatever stands between them, and nothing but the value."""
    value, kind = NAMES[name]
    assert _found(scanner, FORMS[form].format(name=name, value=value), kind) == [value]


@pytest.mark.parametrize("name", [name for name in NAMES if not name.isascii()])
@pytest.mark.parametrize("form", QUOTED)
def test_a_value_is_found_behind_a_name_outside_ascii(scanner: Scanner, form: str, name: str) -> None:
    """B01: in quotes as in prose."""
    value, kind = NAMES[name]
    assert _found(scanner, QUOTED[form].format(name=name, value=value), kind) == [value]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ssn_number", "536904399"),
        ("cardCvv", "814"),
        ("card_pin", "4821"),
        ("bankAccountNumber", "000123456789"),
        ("licensePlate", "7ABC123"),
        ("NHSNumber", "9434765919"),
        ("postal_code", "94110"),
        ("security_code", "814"),
    ],
)
def test_a_name_of_code_is_understood(scanner: Scanner, name: str, value: str) -> None:
    """In camel case, in snake case, with an acronym before the word."""
    text = f'{{"id": 7, "{name}": "{value}"}}'
    assert [text[f.start : f.end] for f in scanner.scan(text) if f.score >= STRONG] == [value]


def test_only_names_that_speak_are_asked_for() -> None:
    """The rest need not be searched once more; a name in ASCII in quotes is a label where it stands."""
    text = '<td>cvv</td><td>814</td> <td>total</td><td>277</td> {"cvv": "815", "密码": "816", "数量": "817"}'
    known = {"cvv", "密码"}
    found = named(text, known.__contains__, known.__contains__)
    assert sorted((text[start:end], name) for start, end, name in found) == [("814", "cvv"), ("816", "密码")]


def test_a_quote_within_a_string_of_sql_does_not_end_it(scanner: Scanner) -> None:
    """Doubled, as SQL has it; a call among the values is one value."""
    text = "INSERT INTO cards (who, at, cvv) VALUES ('O''Hara, Tom', now(), '814')"
    assert _found(scanner, text, "pii.cvv") == ["814"]


@pytest.mark.parametrize(
    "text",
    [
        "<password>\n  ⟦hunter2xyz9⟧\n</password>",
        "password: |\n  ⟦hunter2xyz9⟧\n",
        "db_password: >-\n    ⟦hunter2xyz9⟧\nport: 5432\n",
        "<cvv>\n ⟦814⟧\n</cvv>",
        "CVV\t⟦814⟧",
        "PIN\t⟦4821⟧",
        "**Full name:** ⟦Hannah Whitfield⟧",
        "**姓名**：⟦王建国⟧",
        "Name\t⟦Hannah Whitfield⟧",
        "<fullName>\n ⟦Hannah Whitfield⟧\n</fullName>",
        '{"field": "姓名", "value": "⟦王建国⟧"}',
    ],
)
def test_a_value_may_stand_on_the_next_line_or_behind_a_tab(naming: Scanner, text: str) -> None:
    """B28: as XML and YAML are folded, and as forms are pasted."""
    plain, values = _unmarked(text)
    assert [plain[f.start : f.end] for f in naming.scan(plain) if f.score >= STRONG] == values


def test_a_heading_may_hold_a_digit(scanner: Scanner) -> None:
    """`address2` and `cvv2` are headings; a row of values is none."""
    text = "address1,address2,cvv2\nRome,Lazio,814\nOslo,Oslo,277\n"
    assert _found(scanner, text, "pii.cvv") == ["814", "277"]


@pytest.mark.parametrize(
    "text",
    [
        "<tr><td>quantity</td><td>814</td></tr>",
        "<tr><th>pin</th><th>total</th></tr><tr><td>n/a</td><td>4821</td></tr>",
        "<dt>username</dt><dd>is required here</dd>",
        "INSERT INTO people (id, cvv) VALUES (814, NULL)",
        "INSERT INTO people (id, cvv, x) VALUES (7, 814)",
        "insert the values (cvv) values (",
        "rows['total'] = 4821",
        '{"数量": "814", "标题": "hunter2xyz9"}',
        "<密码>请勿泄露</密码>",
        'name="cvv"\r\n\r\n\r\n814',
        "<td>password</td><td>is required</td>",
        "**Password:** at least twelve characters",
        "`password`: the password of the user, `pin`: a number",
        "**PIN** 4821 of 5000 pieces",
        '{"name": "total", "value": "4821"}',
        "total: |\n  4821\n",
        "the `cvv` = `abc`",
    ],
)
def test_what_no_name_speaks_for_is_left_alone(scanner: Scanner, text: str) -> None:
    """B41: other names, other columns, rows of another length, words instead of values."""
    assert [text[f.start : f.end] for f in scanner.scan(text) if f.score >= STRONG] == []


@pytest.mark.parametrize(
    "text",
    [
        '{"姓名": "⟦王建国⟧", "城市": "北京"}',
        '{\\"收货人\\": \\"⟦李小红⟧\\"}',
        "<姓名>⟦王建国⟧</姓名>",
        '{"name": "⟦王建国⟧"}',
        '{"customerName":"⟦李小红⟧","id":7}',
        "fullName = '⟦王建国⟧'",
        "<patient_name>⟦王建国⟧</patient_name>",
        "cardholder: ⟦王建国⟧",
        '"name" => "⟦王建国⟧",',
        "姓名,城市\n⟦王建国⟧,北京\n⟦李小红⟧,上海\n",
        "| 姓名 | 城市 |\n|---|---|\n| ⟦王建国⟧ | 北京 |",
        "full_name,city\n⟦Hannah Whitfield⟧,Leeds\n⟦Tom Baker⟧,York\n",
        "<tr><td>Full name</td><td>⟦Hannah Whitfield⟧</td></tr>",
        "INSERT INTO users (id, customer_name) VALUES (7, '⟦Hannah Whitfield⟧')",
        '"customer_name" => "⟦Hannah Whitfield⟧"',
        "<fullName>⟦Hannah Whitfield⟧</fullName>",
        '{"cardholder": "⟦Hannah Whitfield⟧"}',
        "card_holder=⟦Hannah⟧",
        "payee,amount\n⟦Hannah Whitfield⟧,7\n⟦李小红⟧,8\n",
        "<dt>持卡人</dt><dd>⟦Hannah Whitfield⟧</dd>",
        '{\\"lastName\\": \\"⟦Whitfield⟧\\"}',
    ],
)
def test_a_name_of_a_person_is_sure_behind_what_programs_call_it(naming: Scanner, text: str) -> None:
    """B28: a label is a label in JSON, XML, tables and code, too; in Hanzi the name is all that stands behind it."""
    plain, names = _unmarked(text)
    found = [plain[f.start : f.end] for f in naming.scan(plain) if f.kind == "pii.person" and f.score >= CUED]
    assert found == names


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "王府井百货大楼"}',
        '{"fileName": "王建国"}',
        '{"product_name": "王建国"}',
        '{"file.name": "王建国"}',
        "file_name,size\nHannah Whitfield,7\n",
        '{"host_name": "Hannah Whitfield"}',
        "name,price\nHannah Whitfield,7\n",
    ],
)
def test_the_name_of_a_thing_makes_no_person_sure(naming: Scanner, text: str) -> None:
    """B41: files, products and hosts have names, too."""
    assert [f for f in naming.scan(text) if f.kind == "pii.person" and f.score >= CUED] == []
