import pytest

from hallmark_tlog.errors import FormatError
from hallmark_tlog.note import MAX_NOTE_BYTES, Note, SignatureLine, parse_note, parse_signature_line

LINE = "\u2014 name AAAAAAE="
NOTE = f"text\n\n{LINE}\n".encode()


def test_a_note_is_its_bytes() -> None:
    note = parse_note(NOTE)
    assert note == Note("text\n", (SignatureLine("name", bytes(4), b"\x01"),))
    assert bytes(note) == NOTE


def test_the_last_empty_line_divides() -> None:
    data = f"a\n\nb\n\n\n{LINE}\n{LINE}\n".encode()
    note = parse_note(data)
    assert (note.text, len(note.signatures), bytes(note)) == ("a\n\nb\n\n", 2, data)


def test_only_newline_ends_a_line() -> None:
    note = parse_note(f"a\u2028b\u0085\n\n{LINE}\n".encode())
    assert note.text == "a\u2028b\u0085\n"


@pytest.mark.parametrize("count", [16, 100])
def test_many_signatures(count: int) -> None:
    assert len(parse_note(f"text\n\n{(LINE + chr(10)) * count}".encode()).signatures) == count


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"text\n",
        b"text\n\n",
        b"text\n" + LINE.encode() + b"\n",
        NOTE[:-1],
        NOTE + b"\n",
        NOTE + b"text\n",
        NOTE.replace(b"\n", b"\r\n"),
        b"\x00" + NOTE,
        b"\xff" + NOTE,
        f"text\n\n{(LINE + chr(10)) * 101}".encode(),
        b"x" * MAX_NOTE_BYTES + NOTE,
    ],
)
def test_malformed_notes(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_note(data)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "- name AAAAAAE=",
        "\u2013 name AAAAAAE=",
        "\u2014name AAAAAAE=",
        "\u2014\u00a0name AAAAAAE=",
        "\u2014 name",
        "\u2014 name ",
        "\u2014  AAAAAAE=",
        "\u2014 na+me AAAAAAE=",
        "\u2014 na\u2003me AAAAAAE=",
        "\u2014 na me AAAAAAE=",
        "\u2014 name  AAAAAAE=",
        "\u2014 name AAAAAAE= ",
        "\u2014 name AAAAAA==",
        "\u2014 name AAAAAAF=",
        "\u2014 name AAAAAAE",
        "\u2014 name AAAAA-E=",
    ],
)
def test_malformed_signature_lines(line: str) -> None:
    with pytest.raises(FormatError):
        parse_signature_line(line)


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n"])
def test_notes_that_could_not_be_read_back_are_not_made(text: str) -> None:
    with pytest.raises(FormatError):
        Note(text, (SignatureLine("name", bytes(4), b"\x01"),))


def test_a_note_needs_a_signature() -> None:
    with pytest.raises(FormatError):
        Note("text\n", ())
