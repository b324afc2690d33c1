"""Bodies of own endpoints: what is read in each form, what a path selects, and what is written out again."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser

from guard.errors import BadRequest
from guard.types import Change, Limits
from guard.wire.bodies import BodyForm
from guard.wire.documents import Places, read, reading
from guard.wire.media import OPAQUE, Document, kind_of

LIMITS = Limits(parts=50)
ALL = Places(("$",))
FORM = "application/x-www-form-urlencoded"


def document(data: bytes, kind: str, limits: Limits = LIMITS) -> Document:
    return read(BodyForm("", kind.partition(";")[0].strip().lower(), kind), data, limits)


def texts(found: Document, where: Places = ALL) -> list[str]:
    return [s.text for s in reading(found, where).segments]


def multipart(*parts: tuple[str, bytes], boundary: str = "b0") -> tuple[bytes, str]:
    rows = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n"
        for head, data in parts
    )
    return rows + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def parted(data: bytes, boundary: bytes) -> list[tuple[dict[str, str], bytes]]:
    """The parts as a second reader finds them."""
    found: list[tuple[dict[str, str], bytearray]] = []
    name = bytearray()
    value = bytearray()

    def header() -> None:
        found[-1][0][name.decode().lower()] = value.decode()
        name.clear()
        value.clear()

    MultipartParser(
        boundary,
        {
            "on_part_begin": lambda: found.append(({}, bytearray())),
            "on_header_field": lambda d, s, e: name.extend(d[s:e]),
            "on_header_value": lambda d, s, e: value.extend(d[s:e]),
            "on_header_end": header,
            "on_part_data": lambda d, s, e: found[-1][1].extend(d[s:e]),
        },
    ).write(data)
    return [(headers, bytes(content)) for headers, content in found]


# what is read


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("application/json", b'{"a": ["x", 1], "b": "y"}', ["a", "x", "b", "y"]),
        ("application/vnd.acme+json", b'["x"]', ["x"]),
        ("application/x-ndjson", b'{"a": "x"}\n\n{"a": "y"}\n', ["a", "x", "a", "y"]),
        (FORM, b"a=x+y&b=%E4%B8%8A&a=z&c=", ["a", "x y", "z", "b", "上", "c", ""]),
        ("text/plain", b"x y", ["x y"]),
        ("text/plain", b'{"a": "x"}', ["a", "x"]),
        ("text/csv", b"a,b\n1,2\n", ["a,b\n1,2\n"]),
        ("text/html; charset=utf-8", b"<p>x</p>", ["<p>x</p>"]),
        ("", b'"x"', ["x"]),
        ("", b"no json", ["no json"]),
        ("application/octet-stream", b'{"a": "x"}', ["a", "x"]),
    ],
)
def test_every_text_of_a_body_is_read(kind: str, data: bytes, expected: list[str]) -> None:
    """A30 A31: JSON, lines of JSON, forms and text, each by its type; JSON under another name is JSON."""
    found = document(data, kind)
    assert texts(found) == expected
    assert found.opaque == ()


def test_the_parts_of_an_upload_are_read() -> None:
    """A29: fields, file names, text files and JSON files; a picture is opaque at its place, and only there."""
    data, kind = multipart(
        ('name="note"', b"x"),
        ('name="doc"; filename="a \xe4\xb8\x8a.txt"'.encode("latin-1").decode(), b"line one\nline two"),
        ('name="data"; filename="d.json"\r\nContent-Type: application/json', b'{"k": "v"}'),
        ('name="pic"; filename="p.png"\r\nContent-Type: image/png', b"\x89PNG\0"),
        ('name="raw"; filename="r.bin"\r\nContent-Type: application/octet-stream', b"\xff\xfe\0"),
        ('name="note"', b"y"),
    )
    found = document(data, kind)
    assert found.value["note"] == ["x", "y"]
    assert found.value["doc"]["content"] == "line one\nline two"
    assert found.value["data"] == {"filename": "d.json", "content": {"k": "v"}}
    read_ = reading(found, ALL)
    assert [(f.kind, f.path) for f in read_.opaque] == [
        ("guard.opaque.image", "<3><1>"),
        ("guard.opaque.file", "<4><1>"),
    ]
    assert {"note", "x", "y", "p.png", "v", "line one\nline two"} <= {s.text for s in read_.segments}


@pytest.mark.parametrize(
    ("kind", "data", "what"),
    [
        ("image/png", b"\x89PNG\0", "image"),
        ("audio/wav", b"RIFF", "audio"),
        ("video/mp4", b"x", "file"),
        ("application/pdf", b"%PDF-1.4", "file"),
        ("application/octet-stream", b"\0\1", "file"),
        ("text/plain", b"caf\xe9", "file"),
        ("text/html", b"caf\xe9", "file"),
        ("text/x-anything", b"x", "file"),
        ("text/event-stream", b"data: x\n\n", "encoding"),
    ],
)
def test_what_is_no_text_is_opaque_whatever_the_paths(kind: str, data: bytes, what: str) -> None:
    """B21: an image or a stream at a named route is a finding, and goes on as it is where a rule allows it."""
    found = document(data, kind)
    assert [f.kind for f in reading(found, Places(("$.question",))).opaque] == [f"guard.opaque.{what}"]
    assert found.written({}) == data


def test_markup_is_read_but_never_rewritten() -> None:
    """A placeholder in HTML would be a tag: what would be redacted there is refused instead."""
    (segment,) = reading(document(b"<p>x</p>", "text/html"), ALL).segments
    assert segment.change is Change.FIXED
    data, kind = multipart(
        ('name="page"; filename="p.html"\r\nContent-Type: text/html', b"<p>"), ('name="a"', b"x")
    )
    found = {s.text: s.change for s in reading(document(data, kind), ALL).segments}
    assert (found["<p>"], found["x"]) == (Change.FIXED, Change.TEXT)


# what a path selects


BODY = {"q": "one", "meta": {"id": "two", "user-name": "three"}, "items": [{"t": "four"}, {"t": "five"}]}


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (("$.q",), (), {"one"}),
        (("$",), ("$.meta", "$.items[1]"), {"q", "one", "meta", "items", "t", "four"}),
        (("$.meta",), ("$.meta['user-name']",), {"id", "two", "user-name"}),
        (("$..t",), ("$.items[0]",), {"five"}),
        (("$.q", "$.items"), ("$..t",), {"one", "t"}),
        (("$.nothing",), (), set()),
    ],
)
def test_a_route_reads_below_its_paths_and_not_below_its_exceptions(
    include: tuple[str, ...], exclude: tuple[str, ...], expected: set[str]
) -> None:
    """Include-paths and exclude-paths: what stands below both is not read, and nothing else is left out."""
    found = document(orjson.dumps(BODY), "application/json")
    assert set(texts(found, Places(include, exclude))) == expected


def test_a_place_is_left_out_by_its_whole_step() -> None:
    """`$.a` leaves out the second value, not the twelfth, whose step begins alike."""
    body = {f"k{number}": f"v{number}" for number in range(13)}
    left = texts(document(orjson.dumps(body), "application/json"), Places(("$",), ("$.k1",)))
    assert "v1" not in left
    assert {"v10", "v11", "v12"} <= set(left)


def test_fields_of_forms_are_selected_by_their_names() -> None:
    """The same paths lead into forms: a field by its name, a file by `filename` and `content`."""
    assert texts(document(b"q=one&id=two&q=three", FORM), Places(("$.q",))) == ["one", "three"]
    data, kind = multipart(('name="q"', b"one"), ('name="f"; filename="n.txt"', b"two"))
    found = document(data, kind)
    assert texts(found, Places(("$.f.content",))) == ["two"]
    assert texts(found, Places(("$",), ("$.f",))) == ["q", "one", "f"]


def test_an_opaque_part_counts_only_where_the_route_reads() -> None:
    """B21: a picture in a field that no path names, or that an exception names, is not the policy's business."""
    data, kind = multipart(('name="q"', b"x"), ('name="pic"; filename="p"\r\nContent-Type: image/png', b"\0"))
    found = document(data, kind)
    assert reading(found, Places(("$.q",))).opaque == ()
    assert reading(found, Places(("$.pic.filename",))).opaque == ()
    assert reading(found, Places(("$",), ("$.pic",))).opaque == ()
    assert len(reading(found, Places(("$.pic",))).opaque) == 1
    assert len(reading(found, Places(("$.pic.content",))).opaque) == 1


def test_one_text_is_read_whole_whatever_the_paths() -> None:
    """A31: no path leads into plain text, so it is all read: broken JSON named text hides nothing behind a path."""
    for data in (b"plain", b'{"question": NaN}', b'{"question": "\\ud83d"}', b'{"question": '):
        assert texts(document(data, "text/plain"), Places(("$.question",), ("$.id",))) == [data.decode()]


def test_an_error_is_read_everywhere_but_for_the_exceptions() -> None:
    """C14: an error may repeat the prompt in any field; only what the policy leaves out is left out."""
    found = document(b'{"detail": "x", "id": "y"}', "application/json")
    assert [s.text for s in reading(found, Places(("$.answer",), ("$.id",)), everywhere=True).segments] == [
        "detail",
        "x",
        "id",
    ]


# what is written


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"a":["x",1.50,12345678901234567890123]}', "application/json"),
        (b'{"a":"x"}\n["y"]\n', "application/x-ndjson"),
        (b"a=x+y&b=%2B%26&a=&c=%E4%B8%8A", FORM),
        (b"x\r\ny \xe4\xb8\x8a", "text/plain"),
        (b'{ "a": [ 1 ] }', "text/plain"),
        (b'"text"', "application/json"),
        multipart(
            ('name="a"', b"x\r\n\r\n--y"), ('name="f"; filename="n"\r\nContent-Type: image/png', b"\0\r\n-")
        ),
        multipart(
            ('name="j"\r\nContent-Type: application/json', b'["x"]'), ('name="a"', b""), ('name="a"', b"2")
        ),
    ],
)
def test_with_nothing_to_change_a_body_stays_as_it_was(data: bytes, kind: str) -> None:
    """Fidelity: what is written out again is what came, byte for byte where it was written canonically."""
    assert document(data, kind).written({}) == data


def test_changes_land_where_they_belong() -> None:
    """A29 A30: values, names of fields and of files, and texts of files are rewritten in their place and order."""
    form = document(b"to=a%40b&x=1&to=c%40d", FORM)
    assert (
        form.written({"<0>[1]": "<EMAIL_1>", "<1>": "2", "{1}": "<KEY>"})
        == urlencode([("to", "a@b"), ("<KEY>", "2"), ("to", "<EMAIL_1>")]).encode()
    )
    data, kind = multipart(('name="f"; filename="a@b.txt"', b"mail a@b"), ('name="q"', b"a@b"))
    written = document(data, kind).written(
        {"<0><0>": '<E"1>.txt', "<0><1>": "mail <E>", "<1>": "<E>", "{1}": "k"}
    )
    (first, content), (second, field) = parted(written, b"b0")
    assert first["content-disposition"] == 'form-data; name="f"; filename="<E%221>.txt"'
    assert second["content-disposition"] == 'form-data; name="k"'
    assert (content, field) == (b"mail <E>", b"<E>")
    assert document(b'"a@b"', "application/json").written({"": "<E>"}) == b'"<E>"'


def test_only_what_was_read_goes_on() -> None:
    """A29: preamble, epilogue, unknown part headers and parameters of types may hold anything; none of it goes on."""
    part = b'--b0\r\nX-User: alice\r\nContent-Disposition: form-data; name="a"; x="alice"\r\n'
    part += b'Content-Type: text/plain; charset=utf-8; name="alice"\r\n\r\nhello\r\n'
    found = document(b"\r\n" + part + b"--b0--\r\nalice", 'multipart/form-data; boundary="b0"; x=alice')
    written = found.written({})
    assert b"alice" not in written + found.content_type.encode()
    assert parted(written, b"b0") == [
        ({"content-disposition": 'form-data; name="a"', "content-type": "text/plain"}, b"hello")
    ]


# what is refused


@pytest.mark.parametrize(
    ("data", "kind", "status", "code"),
    [
        (b"a=1&" * 60, FORM, 413, "too_many_parts"),
        (b"a=%ff", FORM, 400, "invalid_form"),
        (b"a=\xff", FORM, 400, "invalid_form"),
        (b"_charset_=gbk&a=1", FORM, 415, "guard.opaque.encoding"),
        (b'{"a":1,"a":2}', "text/plain", 400, "invalid_json"),
        (b'{"a":1,"a":2}', "application/json", 400, "invalid_json"),
        (b"[" * 100_000 + b"]" * 100_000, "application/json", 400, "invalid_json"),
        (b"--b0--\r\n", "multipart/form-data", 400, "invalid_form"),
        (b"--b0--\r\n", "multipart/form-data; boundary=", 400, "invalid_form"),
        (b"--" + b"b" * 80 + b"--\r\n", "multipart/form-data; boundary=" + "b" * 80, 400, "invalid_form"),
        (b"--<E>\r\n", 'multipart/form-data; boundary="<E>"', 400, "invalid_form"),
        (b"alice --b0--\r\n", "multipart/form-data; boundary=b0", 400, "invalid_form"),
        (multipart(('name="a"', b"x"))[0][:-6], "multipart/form-data; boundary=b0", 400, "invalid_form"),
        (multipart(('name="a"', b"x"))[0][:-9], "multipart/form-data; boundary=b0", 400, "invalid_form"),
        (*multipart(*[('name="a"', b"x")] * 60), 413, "too_many_parts"),
        (*multipart(('filename="a"', b"x")), 400, "invalid_form"),
        (*multipart(("name*=UTF-8''a", b"x")), 400, "invalid_form"),
        (*multipart(("name=\"a\"; filename*=UTF-8''b", b"x")), 400, "invalid_form"),
        (*multipart(('name="a\\\\b"', b"x")), 400, "invalid_form"),
        (*multipart(('name="a\x00b"', b"x")), 400, "invalid_form"),
        (*multipart(('name="a"\r\nContent-Disposition: form-data; name="b"', b"x")), 400, "invalid_form"),
        (*multipart(('name="a"\r\nContent-Type: alice@corp/x', b"x")), 400, "invalid_form"),
        (
            *multipart(('name="a"\r\nContent-Type: text/plain; charset=gbk', b"x")),
            415,
            "guard.opaque.encoding",
        ),
        (
            *multipart(('name="a"\r\nContent-Transfer-Encoding: base64', b"eA==")),
            415,
            "guard.opaque.encoding",
        ),
        (*multipart(('name="a"\r\nX: ' + "x" * 9000, b"x")), 400, "invalid_form"),
        (*multipart(('name="a"' + f"\r\nX{1}: y" * 20, b"x")), 400, "invalid_form"),
        (*multipart(('name="a"\r\nContent-Type: application/json', b"{")), 400, "invalid_json"),
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(
    data: bytes, kind: str, status: int, code: str
) -> None:
    """A29 A30: bounded in fields, parts, headers and nesting; nothing ambiguous, nothing that breaks off."""
    with pytest.raises(BadRequest) as caught:
        document(data, kind)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert "alice" not in caught.value.message


def test_a_body_of_too_many_texts_is_refused() -> None:
    """No stall: a hundred thousand texts of one byte each are more than any check looks at in time."""
    with pytest.raises(BadRequest) as caught:
        texts(document(orjson.dumps(["x"] * 100_000), "application/json"))
    assert caught.value.code == "too_many_texts"


def test_a_redaction_cannot_forge_a_boundary() -> None:
    """A29: a new text that holds the boundary would make two parts of one."""
    data, kind = multipart(('name="a"', b"x"))
    for new in ("--b0", "\r\n--b0\r\nContent-Disposition: form-data; name=b\r\n\r\ny"):
        with pytest.raises(BadRequest):
            document(data, kind).written({"<0>": new})
    assert document(data, kind).written({"<0>": "x--b0"}) == multipart(('name="a"', b"x--b0"))[0]


NAME = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"], exclude_characters="\\"), max_size=8
)
TEXT = st.text(max_size=20)


@given(st.lists(st.tuples(NAME.filter(lambda n: n.lower() != "_charset_"), TEXT), max_size=8))
def test_any_form_comes_back_with_its_fields_in_order(pairs: list[tuple[str, str]]) -> None:
    """A30: over any names and values, empty and repeated ones too, the same pairs are written that were read."""
    found = document(urlencode(pairs).encode(), FORM)
    assert parse_qsl(found.written({}).decode(), keep_blank_values=True) == pairs
    assert {t for _, t in pairs} <= set(texts(found)) | {""}


@given(
    st.lists(
        st.tuples(NAME.filter(str.isprintable), TEXT.filter(lambda t: "\0" not in t)), min_size=1, max_size=6
    )
)
def test_any_multipart_form_comes_back_with_its_parts_in_order(pairs: list[tuple[str, str]]) -> None:
    """A29: over any names and texts, what a second reader finds is what was sent, and all of it was read."""
    quoted = [(name.replace('"', "%22"), text) for name, text in pairs]
    data, kind = multipart(*((f'name="{name}"', text.encode()) for name, text in quoted), boundary="b" * 40)
    found = document(data, kind)
    assert parted(found.written({}), b"b" * 40) == [
        ({"content-disposition": f'form-data; name="{name}"'}, text.encode()) for name, text in quoted
    ]
    assert all(text in texts(found) or text.lstrip()[:1] in ("{", "[") for _, text in quoted)


def test_every_media_type_has_one_reading() -> None:
    """Types are read, refused, or opaque by their family; parameters and case play no part in it."""
    assert {kind_of(t) for t in ("image/webp", "audio/mpeg", "video/mp4", "font/woff")} == {
        "image",
        "audio",
        "file",
    }
    assert {kind_of(t) for t in ("image/svg+xml", "application/atom+xml", "text/xml")} == {"markup"}
    assert {"image", "audio", "file", "encoding"} == OPAQUE
