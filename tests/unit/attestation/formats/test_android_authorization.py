import pytest

from attestation import EvidenceError, der
from attestation.formats.android_authorization import STRICT, TAGS, parse_authorization_list
from attestation.testing import asn1


def parse(*tags: tuple[int, bytes]):
    return parse_authorization_list(der.parse(asn1.sequence(*(asn1.explicit(number, value) for number, value in tags))))


def root_of_trust(
    *, locked: bytes = asn1.boolean(True), state: int = 0, tail: tuple[bytes, ...] = (asn1.octets(b"h"),)
):
    return asn1.sequence(asn1.octets(b"k"), locked, asn1.enumerated(state), *tail)


def test_tags_have_names():
    found = parse((1, asn1.set_of(asn1.integer(2), asn1.integer(3))), (702, asn1.integer(0)), (710, asn1.octets(b"b")))
    assert found.purposes == ("SIGN", "VERIFY")
    assert found.origin == "GENERATED"
    assert found.identity.brand == "b"
    assert found.ordered


def test_numbers_without_a_name_stay_numbers():
    found = parse((1, asn1.set_of(asn1.integer(9))), (702, asn1.integer(7)))
    assert (found.purposes, found.origin) == (("9",), "7")


def test_absent_is_absent():
    found = parse()
    assert (found.purposes, found.origin, found.root_of_trust, found.identity, found.application) == ((), *[None] * 4)


@pytest.mark.parametrize("octet", [0x01, 0xFF])
def test_true_may_be_any_octet_in_the_root_of_trust(octet):
    assert parse((704, root_of_trust(locked=bytes([1, 1, octet])))).root_of_trust.locked


def test_the_boot_hash_is_younger_than_the_root_of_trust():
    assert parse((704, root_of_trust(tail=()))).root_of_trust.hash is None
    assert parse((704, root_of_trust())).root_of_trust.hash == b"h"


def test_order_is_recorded():
    assert not parse((702, asn1.integer(0)), (1, asn1.set_of())).ordered


@pytest.mark.parametrize(
    "tags",
    [
        [(702, asn1.integer(0)), (702, asn1.integer(0))],
        [(704, root_of_trust(state=4))],
        [(704, root_of_trust(tail=(asn1.null(), asn1.null())))],
        [(704, root_of_trust(locked=asn1.tlv(1, b"")))],
        [(705, asn1.integer(-1))],
        [(706, asn1.integer(2**64))],
        [(702, asn1.null())],
        [(702, asn1.integer(0) + asn1.integer(0))],
        [(1, asn1.set_of(*map(asn1.integer, range(65))))],
        [(number, asn1.null()) for number in range(1000, 1129)],
    ],
)
def test_what_a_verdict_rests_on_must_be_readable(tags):
    with pytest.raises(EvidenceError):
        parse(*tags)


@pytest.mark.parametrize(
    "tag",
    [(709, asn1.octets(b"not two sets")), (710, asn1.octets(b"\xff")), (503, asn1.integer(1)), (4711, b"\x05\x00")],
)
def test_other_tags_are_kept_unread(tag):
    found = parse(tag)
    assert found.unread == ((tag[0], tag[1]),)
    assert found.values == ()


def test_elements_that_are_no_tags_are_refused():
    with pytest.raises(EvidenceError):
        parse_authorization_list(der.parse(asn1.sequence(asn1.integer(1))))


def test_the_strict_tags_are_known_tags():
    assert set(TAGS) >= STRICT
