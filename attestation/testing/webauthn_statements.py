"""Statements of virtual authenticators: each function is given a registration and returns it, perhaps with another key,
and the statement. Keyword arguments make the statement wrong in one way.
"""

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from attestation import cose_key as cose
from attestation.formats.apple_certificate import NONCE
from attestation.formats.tpm_chain import AK_CERTIFICATE_USAGE
from attestation.formats.webauthn_statement import AAGUID_EXTENSION
from attestation.testing import asn1
from attestation.testing.authenticator import CredentialKey, Leaf, cose_map, distinguished_name, virtual_ca
from attestation.testing.certificates import (
    DIGITAL_SIGNATURE,
    KeyKind,
    PrivateKey,
    ca_extensions,
    extension,
    key_usage,
    new_key,
    sign,
    spki_of,
)
from attestation.testing.webauthn_authenticator import Registration, new_p256
from attestation.tpm_structures import ObjectAttribute
from attestation.trust_path import EXTENDED_KEY_USAGE, SUBJECT_ALTERNATIVE_NAME
from attestation.x509 import BASIC_CONSTRAINTS

Statement = dict[str, Any]
Make = Callable[..., tuple[Registration, Statement]]

MODEL: Final = distinguished_name(
    country="SE", organization="Virtual", unit="Authenticator Attestation", common="Virtual Security Key"
)
_NO_CA: Final = extension(BASIC_CONSTRAINTS, asn1.sequence(), critical=True)
_TPM_NAMES: Final = {"2.23.133.2.1": "id:56495254", "2.23.133.2.2": "Virtual TPM", "2.23.133.2.3": "id:00010002"}

PROTECTED: Final = (
    ObjectAttribute.FIXED_TPM | ObjectAttribute.FIXED_PARENT | ObjectAttribute.SENSITIVE_DATA_ORIGIN
    | ObjectAttribute.USER_WITH_AUTH | ObjectAttribute.SIGN
)  # fmt: skip


def packed(
    registration: Registration,
    *,
    subject: bytes = MODEL,
    aaguid: bytes | None = None,
    critical_aaguid: bool = False,
    is_ca: bool = False,
    algorithm: int = cose.ES256,
) -> tuple[Registration, Statement]:
    key = new_p256()
    model = registration.state.aaguid if aaguid is None else aaguid
    leaf = Leaf(
        subject=subject,
        spki=spki_of(key),
        extensions=(
            extension(AAGUID_EXTENSION, asn1.octets(model), critical=critical_aaguid),
            *(ca_extensions() if is_ca else (_NO_CA,)),
        ),
        **registration.life,
    )
    issuer = virtual_ca(registration.makers.roots["keys"], "Virtual security keys", now=registration.now)
    signature = sign(key, registration.signed)
    return registration, {"alg": algorithm, "sig": signature, "x5c": list(leaf.under(issuer))}


def self_attested(
    registration: Registration, *, algorithm: int | None = None, signer: CredentialKey | None = None
) -> tuple[Registration, Statement]:
    algorithm = _algorithm(registration.key) if algorithm is None else algorithm
    return registration, {"alg": algorithm, "sig": _sign_any(signer or registration.key, registration.signed)}


def u2f(registration: Registration, *, curve: KeyKind = KeyKind.EC_P256) -> tuple[Registration, Statement]:
    key = new_key(curve)
    leaf = Leaf(subject=MODEL, spki=spki_of(key), extensions=(_NO_CA,), **registration.life)
    point = registration.spki[-65:]
    message = (registration.data[:32], registration.client_data_hash, registration.credential_id, point)
    chain = leaf.under(registration.makers.roots["keys"])
    return registration, {"sig": sign(key, b"\x00" + b"".join(message)), "x5c": list(chain)}


def apple(
    registration: Registration, *, certified: PrivateKey | None = None, write_nonce: bool = True
) -> tuple[Registration, Statement]:
    nonce = asn1.sequence(asn1.explicit(1, asn1.octets(sha256(registration.signed).digest())))
    leaf = Leaf(
        subject=distinguished_name(organization="Virtual", common="credential"),
        spki=spki_of(certified) if certified else registration.spki,
        extensions=(key_usage(DIGITAL_SIGNATURE), *((extension(NONCE, nonce),) if write_nonce else ())),
        **registration.life,
    )
    issuer = virtual_ca(registration.makers.roots["apple"], "Virtual WebAuthn CA", now=registration.now)
    return registration, {"x5c": list(leaf.under(issuer))}


def android_key(registration: Registration, **phone_state: Any) -> tuple[Registration, Statement]:
    """The phone makes the key, for the hash of the client data."""
    phone = registration.makers.phone.changed(**phone_state)
    made = phone.generate_key(registration.client_data_hash)
    registration = registration.with_key(made.private_key)
    statement = {
        "alg": cose.ES256,
        "sig": sign(made.private_key, registration.signed),
        "x5c": list(made.evidence.named("certificate")),
    }
    return registration, statement


def tpm(
    registration: Registration,
    *,
    algorithm: int = cose.ES256,
    attributes: ObjectAttribute = PROTECTED,
    extra_data: bytes | None = None,
    name: bytes | None = None,
    certified: CredentialKey | None = None,
    magic: bytes = b"\xffTCG",
    attest_type: int = 0x8017,
    usage: str = AK_CERTIFICATE_USAGE,
    named: bool = True,
    subject: bytes = asn1.sequence(),
    version: str = "2.0",
) -> tuple[Registration, Statement]:
    aik = _rsa() if algorithm == cose.RS1 else new_p256()
    hash_name = hashes.SHA1() if algorithm == cose.RS1 else hashes.SHA256()  # noqa: S303 - as Windows does
    public = _public_area(certified or registration.key, attributes)
    object_name = b"\x00\x0b" + sha256(public).digest() if name is None else name
    qualifying = _hash(hash_name, registration.signed) if extra_data is None else extra_data
    clock_and_firmware = bytes(16) + b"\x01" + bytes(8)
    head = magic + attest_type.to_bytes(2) + _sized(b"") + _sized(qualifying)
    attest = head + clock_and_firmware + _sized(object_name) + _sized(b"")
    leaf = Leaf(subject=subject, spki=spki_of(aik), extensions=_aik_extensions(usage, named=named), **registration.life)
    issuer = virtual_ca(registration.makers.roots["tpm"], "Virtual AIK CA", now=registration.now)
    return registration, {
        "ver": version,
        "alg": algorithm,
        "x5c": list(leaf.under(issuer)),
        "sig": _sign_with(aik, attest, hash_name),
        "certInfo": attest,
        "pubArea": public,
    }


@cache
def _rsa() -> rsa.RSAPrivateKey:
    """One key for all: making one takes longer than all the rest."""
    return rsa.generate_private_key(65537, 2048)


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data


def _hash(name: hashes.HashAlgorithm, data: bytes) -> bytes:
    digest = hashes.Hash(name)
    digest.update(data)
    return digest.finalize()


def _public_area(key: CredentialKey, attributes: ObjectAttribute) -> bytes:
    """TPMT_PUBLIC of a P-256 key: name algorithm SHA-256, no scheme."""
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    numbers = key.public_key().public_numbers()
    head = b"\x00\x23\x00\x0b" + int(attributes).to_bytes(4) + _sized(b"")
    return head + bytes.fromhex("0010001000030010") + _sized(numbers.x.to_bytes(32)) + _sized(numbers.y.to_bytes(32))


def _aik_extensions(usage: str, *, named: bool) -> tuple[bytes, ...]:
    names = (asn1.sequence(asn1.oid(kind), asn1.utf8(text)) for kind, text in _TPM_NAMES.items())
    directory = asn1.explicit(4, asn1.sequence(asn1.set_of(*names)))
    alternative = extension(SUBJECT_ALTERNATIVE_NAME, asn1.sequence(directory), critical=True)
    return (
        key_usage(DIGITAL_SIGNATURE),
        _NO_CA,
        extension(EXTENDED_KEY_USAGE, asn1.sequence(asn1.oid(usage))),
        *((alternative,) if named else ()),
    )


def _sign_with(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, message: bytes, name: hashes.HashAlgorithm
) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), name)
    return key.sign(message, ec.ECDSA(name))


def _algorithm(key: CredentialKey) -> int:
    return int(cose_map(key)[3])


def _sign_any(key: CredentialKey, message: bytes) -> bytes:
    """By the algorithm that `cose_map` names for the key."""
    match key:
        case ec.EllipticCurvePrivateKey():
            name = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.key_size]
            return key.sign(message, ec.ECDSA(name))
        case rsa.RSAPrivateKey():
            return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        case _:
            return key.sign(message)
