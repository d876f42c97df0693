from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from attestation import GOOGLE, Anchors, Format
from attestation.anchors import GOOGLE_P384, GOOGLE_RSA, SOFTWARE_ROOTS


def test_the_google_keys_are_what_the_table_says():
    first, second = (load_der_public_key(anchor.spki) for anchor in (GOOGLE_RSA, GOOGLE_P384))
    assert isinstance(first, rsa.RSAPublicKey)
    assert first.key_size == 4096
    assert isinstance(second, ec.EllipticCurvePublicKey)
    assert isinstance(second.curve, ec.SECP384R1)
    assert GOOGLE_RSA.spki_sha256 == "feb2ea7551ee316ed4bb443c8293b884dbfdea40b603ee3e4f4a897e4580fbae"
    assert GOOGLE_P384.spki_sha256 == "3ee44512a1af2beb39c889490c60ea3f82e43f5d5a5532f5ab9419f676cd07ec"


def test_software_roots_are_readable_keys_and_never_anchors():
    for spki in SOFTWARE_ROOTS:
        load_der_public_key(spki)
        assert spki not in {anchor.spki for anchor in GOOGLE.items}


def test_an_anchor_counts_only_for_its_formats():
    assert GOOGLE.for_format(Format.ANDROID_KEY) == GOOGLE.items
    other = Anchors(
        tuple(type(anchor)(anchor.name, frozenset(), anchor.spki, anchor.source) for anchor in GOOGLE.items)
    )
    assert other.for_format(Format.ANDROID_KEY) == ()
