from datetime import UTC, datetime

import pytest

from attestation import EvidenceError, der
from attestation.testing import asn1


def nested(depth: int) -> bytes:
    data = asn1.null()
    for _ in range(depth):
        data = asn1.sequence(data)
    return data


def walk(element: der.Element) -> int:
    """Depth of the single branch below an element."""
    depth = 0
    while element.constructed:
        (element,) = element.children()
        depth += 1
    return depth


@pytest.mark.parametrize("value", [0, 1, -1, 127, 128, -128, -129, 2**64 - 1, 2**2048])
def test_integers_survive(value):
    assert der.parse(asn1.integer(value)).integer() == value


@pytest.mark.parametrize("value", ["1.2.840.113549.1.1.11", "2.5.29.19", "1.3.6.1.4.1.11129.2.1.17", "2.999.3", "0.9"])
def test_object_identifiers_survive(value):
    assert der.parse(asn1.oid(value)).oid() == value


@pytest.mark.parametrize("number", [0, 30, 31, 127, 128, 704, 724, 2**20])
def test_context_tags_of_any_size(number):
    element = der.parse(asn1.explicit(number, asn1.integer(5)))
    assert (element.tag_class, element.number, element.explicit().integer()) == (der.CONTEXT, number, 5)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (asn1.tlv(0x17, b"700101000000Z"), datetime(1970, 1, 1, tzinfo=UTC)),
        (asn1.tlv(0x17, b"491231235959Z"), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (asn1.tlv(0x18, b"21060207062815Z"), datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC)),
    ],
)
def test_times(data, expected):
    assert der.parse(data).time() == expected


@pytest.mark.parametrize(
    "content", [b"", b"700101000000", b"7001010000Z", b"701301000000Z", b"70010100000\xb2Z", b"700101000000+"]
)
def test_times_that_are_none(content):
    with pytest.raises(EvidenceError):
        der.parse(asn1.tlv(0x17, content)).time()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x02\x05",  # cut short
        b"\x30\x80\x00\x00",  # indefinite length
        b"\x30\x85\x01\x00\x00\x00\x00",  # length of five octets
        b"\x05\x00\x00",  # trailing byte
        b"\x1f\x1e\x00",  # small tag in long form
        b"\x1f\x80\x81\x00\x00",  # leading zeros
        b"\xbf\xff\xff\xff\xff\x7f\x00",  # tag beyond bounds
        b"\x05\x81\x00",  # length longer than needed
        b"\x04\x82\x00\x81" + bytes(129),
    ],
)
def test_what_is_no_der_is_refused(data):
    with pytest.raises(EvidenceError):
        der.parse(data)


def test_relaxed_takes_long_lengths_and_padded_integers_only_where_asked():
    data = b"\x30\x82\x00\x05\x02\x81\x02\x00\x05"
    assert der.parse(data, relaxed=True).sequence()[0].integer() == 5
    with pytest.raises(EvidenceError, match="longer than needed"):
        der.parse(data)
    with pytest.raises(EvidenceError, match="say nothing"):
        der.parse(b"\x02\x02\x00\x05").integer()


def test_depth_is_bounded():
    assert walk(der.parse(nested(der.MAX_DEPTH))) == der.MAX_DEPTH
    with pytest.raises(EvidenceError, match="nested"):
        walk(der.parse(nested(der.MAX_DEPTH + 1)))


def test_the_number_of_elements_is_bounded():
    full = asn1.sequence(*[asn1.null()] * der.MAX_CHILDREN)
    assert len(der.parse(full).sequence()) == der.MAX_CHILDREN
    with pytest.raises(EvidenceError, match="more than"):
        der.parse(asn1.sequence(*[asn1.null()] * (der.MAX_CHILDREN + 1))).sequence()


def test_booleans_are_strict_unless_asked():
    one = der.parse(asn1.tlv(0x01, b"\x01"))
    assert one.boolean(any_nonzero=True) is True
    with pytest.raises(EvidenceError):
        one.boolean()
    assert der.parse(asn1.boolean(False)).boolean(any_nonzero=True) is False
    with pytest.raises(EvidenceError):
        der.parse(asn1.tlv(0x01, b"\x01\x01")).boolean(any_nonzero=True)


def test_named_bits():
    assert der.parse(asn1.bits(b"\x04", unused=2)).bit_flags() == {5}
    assert der.parse(asn1.bits(b"")).bit_flags() == set()
    with pytest.raises(EvidenceError):
        der.parse(asn1.tlv(0x03, b"")).bit_flags()


READS = [
    "integer",
    "enumerated",
    "octets",
    "boolean",
    "bits",
    "bit_flags",
    "oid",
    "time",
    "sequence",
    "set_of",
    "explicit",
]


@pytest.mark.parametrize("read", READS)
def test_a_wrong_type_is_told(read):
    with pytest.raises(EvidenceError):
        getattr(der.parse(asn1.null()), read)()
