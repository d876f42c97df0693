"""TPM wire structures: what is read, what is refused, names and signatures."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from attestation import EvidenceError, Reason
from attestation.testing.certificates import spki_of
from attestation.testing.tpm_wire import (
    AK_ATTRIBUTES,
    CERTIFY,
    EK_ATTRIBUTES,
    QUOTE,
    AttestFields,
    PublicFields,
    certify_info,
    name_of,
    quote_info,
    sign_structure,
    sized,
    u16,
)
from attestation.tpm_reader import TpmAlgorithm
from attestation.tpm_structures import (
    AttestType,
    CertifyInfo,
    QuoteInfo,
    check_tpm_signature,
    parse_attest,
    parse_public,
    parse_signature,
)

EC_KEY = ec.generate_private_key(ec.SECP256R1())
P384_KEY = ec.generate_private_key(ec.SECP384R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
REGISTERS = {TpmAlgorithm.SHA1: {23: b"\1" * 20}, TpmAlgorithm.SHA256: {7: b"\2" * 32, 0: b"\3" * 32}}


def statement(kind=QUOTE, attested=None, **fields):
    body = quote_info(REGISTERS) if attested is None else attested
    return AttestFields(**fields).write(kind, signer=b"\0\x0b" + bytes(32), challenge=b"nonce", attested=body)


def refusal(call, *arguments):
    with pytest.raises(EvidenceError) as caught:
        call(*arguments)
    return caught.value.reason


@pytest.mark.parametrize("key", [EC_KEY, P384_KEY, RSA_KEY], ids=["P-256", "P-384", "RSA"])
def test_public_area(key):
    area = PublicFields(attributes=AK_ATTRIBUTES).write(key)
    public = parse_public(area)
    assert public.spki == spki_of(key)
    assert public.name == name_of(area) == b"\0\x0b" + hashlib.sha256(area).digest()
    assert public.attribute_names == (
        "fixedTPM", "fixedParent", "sensitiveDataOrigin", "userWithAuth", "restricted", "sign"
    )  # fmt: skip
    assert public.encoded == area


def test_public_area_of_a_parent():
    public = parse_public(PublicFields(attributes=EK_ATTRIBUTES, scheme_hash=None, storage=True).write(RSA_KEY))
    assert (public.symmetric.algorithm, public.symmetric.key_bits) == (TpmAlgorithm.AES, 128)
    assert public.scheme.algorithm == TpmAlgorithm.NULL


@pytest.mark.parametrize("key", [EC_KEY, RSA_KEY], ids=["ECC", "RSA"])
def test_public_area_of_any_other_length_is_refused(key):
    area = PublicFields(attributes=AK_ATTRIBUTES).write(key)
    for end in range(len(area)):
        assert refusal(parse_public, area[:end]) in (Reason.MALFORMED, Reason.UNSUPPORTED_ALGORITHM)
    assert refusal(parse_public, area + b"\0") is Reason.MALFORMED


def test_a_point_off_its_curve_is_no_key():
    area = PublicFields(attributes=AK_ATTRIBUTES).write(EC_KEY)
    changed = parse_public(area[:-1] + bytes([area[-1] ^ 1]))
    with pytest.raises(EvidenceError, match="not on its curve"):
        _ = changed.spki


def test_a_modulus_shorter_than_announced_is_refused():
    area = PublicFields(attributes=AK_ATTRIBUTES).write(RSA_KEY)
    assert refusal(parse_public, area[:-256] + b"\0" + area[-255:]) is Reason.MALFORMED


def test_an_object_without_a_known_name_algorithm_has_no_name():
    area = bytearray(PublicFields(attributes=AK_ATTRIBUTES).write(EC_KEY))
    area[2:4] = u16(TpmAlgorithm.SM3_256)
    with pytest.raises(EvidenceError, match="name algorithm"):
        _ = parse_public(bytes(area)).name


def test_quote():
    attest = parse_attest(statement(clock=7, reset_count=8, restart_count=9, safe=0, firmware_version=10))
    assert (attest.type, attest.extra_data, attest.firmware_version) == (AttestType.QUOTE, b"nonce", 10)
    assert (attest.clock.clock, attest.clock.reset_count, attest.clock.restart_count, attest.clock.safe) == (
        7,
        8,
        9,
        False,
    )
    assert isinstance(attest.attested, QuoteInfo)
    assert [(item.bank, item.registers) for item in attest.attested.selections] == [("sha1", (23,)), ("sha256", (0, 7))]
    assert attest.attested.pcr_digest == hashlib.sha256(b"\1" * 20 + b"\3" * 32 + b"\2" * 32).digest()


def test_certification():
    attest = parse_attest(statement(CERTIFY, certify_info(b"\0\x0b" + bytes(32))))
    assert isinstance(attest.attested, CertifyInfo)
    assert attest.attested.name == b"\0\x0b" + bytes(32)


def test_statement_of_any_other_length_is_refused():
    for end in range(len(statement())):
        refusal(parse_attest, statement()[:end])
    assert refusal(parse_attest, statement() + b"\0") is Reason.MALFORMED


@pytest.mark.parametrize(
    ("bytes_", "reason"),
    [
        (statement(magic=0), Reason.BAD_SIGNATURE),
        (statement(0x8014, b""), Reason.WRONG_TYPE),
        (statement(attested=(17).to_bytes(4)), Reason.MALFORMED),
        (statement(attested=(1).to_bytes(4) + u16(0x7777)), Reason.UNSUPPORTED_ALGORITHM),
        (statement(attested=(1).to_bytes(4) + u16(0x000B) + b"\x05" + bytes(5) + sized(b"")), Reason.MALFORMED),
        (bytes(1025), Reason.MALFORMED),
    ],
    ids=["magic", "type", "banks", "bank", "selection", "size"],
)
def test_statements_that_are_refused(bytes_, reason):
    assert refusal(parse_attest, bytes_) is reason


@pytest.mark.parametrize("key", [EC_KEY, P384_KEY, RSA_KEY], ids=["P-256", "P-384", "RSA"])
@pytest.mark.parametrize("hash_algorithm", [TpmAlgorithm.SHA1, TpmAlgorithm.SHA256, TpmAlgorithm.SHA384])
def test_signature(key, hash_algorithm):
    signature = parse_signature(sign_structure(key, b"message", hash_algorithm=hash_algorithm))
    check_tpm_signature(signature, spki=spki_of(key), message=b"message")
    with pytest.raises(EvidenceError) as caught:
        check_tpm_signature(signature, spki=spki_of(key), message=b"massage")
    assert caught.value.reason is Reason.BAD_SIGNATURE


def test_signature_of_another_kind_of_key():
    signature = parse_signature(sign_structure(EC_KEY, b"message"))
    with pytest.raises(EvidenceError) as caught:
        check_tpm_signature(signature, spki=spki_of(RSA_KEY), message=b"message")
    assert caught.value.reason is Reason.UNSUPPORTED_ALGORITHM


def test_signatures_that_are_refused():
    good = sign_structure(EC_KEY, b"message")
    assert refusal(parse_signature, good + b"\0") is Reason.MALFORMED
    assert refusal(parse_signature, u16(TpmAlgorithm.HMAC) + good[2:]) is Reason.UNSUPPORTED_ALGORITHM
    odd = parse_signature(good[:2] + u16(TpmAlgorithm.SM3_256) + good[4:])
    with pytest.raises(EvidenceError, match="hash"):
        check_tpm_signature(odd, spki=spki_of(EC_KEY), message=b"message")
