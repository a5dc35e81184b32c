import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickwell.serving.limits import Refused
from pickwell.serving.multipart import MAX_PARTS, Part, parse_form

BOUNDARY = "x-42"
KIND = f'multipart/form-data; boundary="{BOUNDARY}"'


def form(parts, end="--\r\n"):
    body = b""
    for name, data, file in parts:
        extra = '; filename="a.png"\r\nContent-Type: image/png' if file else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return body + f"--{BOUNDARY}{end}".encode()


@given(
    st.lists(
        st.tuples(
            st.text("abcdefg", min_size=1), st.binary(max_size=300), st.booleans()
        ).filter(lambda part: BOUNDARY.encode() not in part[1]),
        max_size=MAX_PARTS,
    )
)  # fmt: skip
def test_bytes_come_through_as_they_are(parts):
    assert parse_form(form(parts), KIND) == [Part(*part) for part in parts]


@given(st.binary(max_size=200), st.text(max_size=60))
def test_nonsense_is_refused_or_read(body, kind):
    """Whatever comes: parts, or a refusal; never another error."""
    for content_type in (KIND, kind):
        for text in (body, form([("a", body, True)])[: len(body)]):
            try:
                parse_form(text, content_type)
            except Refused as refused:
                assert refused.status in (400, 413)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (form([("a", b"1", False)]), "multipart/form-data", 400),
        (form([("a", b"1", False)], end=""), KIND, 400),
        (form([("a", b"1", False)] * (MAX_PARTS + 1)), KIND, 413),
        (b"--x-42\r\nno headers\r\n--x-42--", KIND, 400),
        (b"--x-42\r\nA: b\r\n\r\nx\r\n--x-42--", KIND, 400),
        (
            b'--x-42\r\nContent-Disposition: form-data; name="a"\r\n'
            b"Content-Transfer-Encoding: base64\r\n\r\nx\r\n--x-42--",
            KIND,
            400,
        ),
    ],
)
def test_what_is_refused(body, kind, status):
    with pytest.raises(Refused) as refused:
        parse_form(body, kind)
    assert refused.value.status == status


def test_a_long_header_costs_little():
    letters = "a" * 200_000
    for kind in (f"multipart/form-data; {letters}", f'multipart/form-data; a="{letters}; b="'):
        started = time.process_time()
        with pytest.raises(Refused):
            parse_form(b"", kind)
        assert time.process_time() - started < 1


def test_a_name_may_be_quoted():
    body = (
        b'--x-42\r\ncontent-disposition: form-data; filename="a;b\\"c.png"; name="ima\\"ge"\r\n'
        b"\r\n\r\n\r\n--x-42--\r\n"
    )
    assert parse_form(body, KIND) == [Part('ima"ge', b"\r\n", True)]
