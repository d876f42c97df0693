"""Attestation keys of TPMs that were enrolled elsewhere, as a list in JSON. Of Arm: attestation.arm_collateral."""

from base64 import b64decode
from binascii import Error as Base64Error
from json import JSONDecodeError, loads
from typing import Final

from attestation.errors import CollateralError, EvidenceError
from attestation.signatures import load_key
from attestation.tpm_collateral import TpmCollateral

BYTES_MAX: Final = 16 * 1024 * 1024
KEYS_MAX: Final = 10_000
_NAME_LENGTHS: Final = {22, 34, 50, 66}  # nameAlg (2 bytes) and a digest of SHA-1 to SHA-512


def read_tpm_keys(data: bytes) -> TpmCollateral:
    """{"tpm_keys": [{"name": hex} or {"spki": base64 of DER} or {"certificate_sha256": hex}]}: attestation keys that
    were enrolled elsewhere, by name (nameAlg || H(public area)), which also fixes their attributes, by key, or by the
    SHA-256 of a certificate whose issuer is no anchor.
    """
    names, keys, certificates = set(), set(), set()
    for item in _endorsed(data, "tpm_keys"):
        match item:
            case {"name": str(name), **rest} if not rest:
                names.add(_hex(name, _NAME_LENGTHS))
            case {"spki": str(spki), **rest} if not rest:
                keys.add(_key(spki))
            case {"certificate_sha256": str(digest), **rest} if not rest:
                certificates.add(_hex(digest, {32}))
            case _:
                raise CollateralError('each of "tpm_keys" has one of "name", "spki" and "certificate_sha256"')
    return TpmCollateral(
        enrolled_names=frozenset(names),
        enrolled_keys=frozenset(keys),
        enrolled_certificates=frozenset(certificates),
    )


def _endorsed(data: bytes, name: str) -> list[object]:
    if len(data) > BYTES_MAX:
        raise CollateralError(f"list of {len(data)} bytes, at most {BYTES_MAX}")
    try:
        document = loads(data)
    except (JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CollateralError("list is not JSON") from error
    items = document.get(name) if isinstance(document, dict) and len(document) == 1 else None
    if not isinstance(items, list) or len(items) > KEYS_MAX:
        raise CollateralError(f'not an object with one list "{name}" of at most {KEYS_MAX}')
    return items


def _hex(text: str, lengths: set[int]) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError as error:
        raise CollateralError("a name or digest in the list is not hex") from error
    if len(value) not in lengths:
        raise CollateralError(f"a name or digest in the list has {len(value)} bytes")
    return value


def _key(text: str) -> bytes:
    try:
        spki = b64decode(text, validate=True)
        load_key(spki)
    except (Base64Error, ValueError, EvidenceError) as error:
        raise CollateralError("a TPM key is not Base64 of a DER SubjectPublicKeyInfo") from error
    return spki
