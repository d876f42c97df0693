import pytest

from hallmark_tlog.canonical import check_key_name, decode_base64, decode_decimal, decode_hash, decode_text
from hallmark_tlog.errors import FormatError


@pytest.mark.parametrize("text", ["0", "1", "10", str(2**63 - 1)])
def test_decimal_has_one_spelling(text: str) -> None:
    assert str(decode_decimal(text, what="n")) == text


@pytest.mark.parametrize(
    "text",
    ["", "01", "00", "+1", "-1", "1_0", " 1", "1 ", "1\n", "١", "１", "0x1", "1.0", str(2**63), "9" * 40],
)
def test_other_decimals_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        decode_decimal(text, what="n")


def test_base64_has_one_spelling() -> None:
    assert decode_base64("AAE=", what="x") == b"\x00\x01"


@pytest.mark.parametrize("text", ["AAE", "AAF=", "AA E=", "AAE=\n", "AAE==", "AA-_", "AAE=AAE=", "=", "é", "\ud800"])
def test_other_base64_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        decode_base64(text, what="x")


def test_a_hash_is_32_bytes() -> None:
    with pytest.raises(FormatError, match="31 bytes"):
        decode_hash("A" * 40 + "AA==", what="x")


@pytest.mark.parametrize("data", [b"\xff", b"\xed\xa0\x80", b"a\x00", b"a\tb", b"a\r\n", b"x" * 11])
def test_text_is_bounded_utf8_without_control_characters(data: bytes) -> None:
    with pytest.raises(FormatError):
        decode_text(data, what="t", max_bytes=10)


def test_text_may_have_newlines_and_del() -> None:
    assert decode_text(b"a\n\x7f\n", what="t", max_bytes=10) == "a\n\x7f\n"


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\u00a0b", "a\u2028b", "a\u3000", "a\tb", "a\nb", "a\x85b", "a\x01"]
)
def test_key_names_have_no_space_plus_or_control_character(name: str) -> None:
    with pytest.raises(FormatError):
        check_key_name(name)
