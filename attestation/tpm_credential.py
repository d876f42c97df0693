"""TPM2_MakeCredential in software: a secret that only the TPM with this EK can open, and only while it holds this AK.

The verifier makes a credential for the EK (whose certificate it checked) and the name of the AK; the TPM returns the
secret from TPM2_ActivateCredential. That ties an AK to a known TPM, after which the caller enrols the AK's name.

Source: TPM 2.0 Library 1.59, Part 1: 11.4.10 (KDFa, KDFe), 24 (credential protection), B.10.3 and C.6.3 (secret
sharing for RSA and ECC). The random octets come as an argument: `entropy(n)` returns n of them.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from attestation.errors import ArgumentError, EvidenceError
from attestation.signatures import load_key
from attestation.tpm_reader import HASH_BYTES, HASH_NAMES, TpmAlgorithm, TpmReader

MAX_NAME_BYTES: Final = 2 + 64
MAX_FILE_BYTES: Final = 4096

_FILE_MAGIC: Final = bytes.fromhex("badcc0de00000001")  # tpm2-tools: magic and version of a credential file

Entropy = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Credential:
    """What TPM2_ActivateCredential takes: TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET, each with its length."""

    id_object: bytes = field(repr=False)
    encrypted_secret: bytes = field(repr=False)

    @property
    def sha256(self) -> bytes:
        """Of both, one behind the other: each begins with its length."""
        return hashlib.sha256(self.id_object + self.encrypted_secret).digest()

    def to_file(self) -> bytes:
        """The file format of tpm2-tools."""
        return _FILE_MAGIC + self.id_object + self.encrypted_secret


@dataclass(frozen=True, slots=True)
class EkTemplate:
    """Name algorithm and symmetric key of an EK. The default is that of the TCG's low-range templates (EK Credential
    Profile 2.5, B.3); high-range ones for P-384 take SHA-384 and AES-256.
    """

    hash_algorithm: int = TpmAlgorithm.SHA256
    aes_bits: int = 128


LOW_RANGE: Final = EkTemplate()
P384_HIGH_RANGE: Final = EkTemplate(TpmAlgorithm.SHA384, 256)


def make_credential(
    ek_spki: bytes, *, name: bytes, secret: bytes, entropy: Entropy, template: EkTemplate = LOW_RANGE
) -> Credential:
    """Seal `secret` (1 to 64 bytes, at most the size of the EK's hash) for an EK (DER SubjectPublicKeyInfo, RSA or NIST
    curve) and the AK of this name (nameAlg || digest).

    Raises ArgumentError for a secret or name of the wrong size, EvidenceError for an EK that cannot be used.
    """
    size = HASH_BYTES[template.hash_algorithm]
    if not 1 <= len(secret) <= size:
        raise ArgumentError(f"secret of {len(secret)} bytes, 1 to {size} fit")
    check_name_shape(name)
    key = load_key(ek_spki)
    hash_name = HASH_NAMES[template.hash_algorithm]
    if isinstance(key, rsa.RSAPublicKey):
        seed = entropy(size)
        encrypted = _oaep(key, seed, hash_name=hash_name, entropy=entropy)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        seed, encrypted = _share(key, hash_name=hash_name, entropy=entropy)
    else:
        raise EvidenceError("EK is neither an RSA nor an ECC key")
    protected = _protect(secret, seed, name=name, hash_name=hash_name, aes_bits=template.aes_bits)
    return Credential(_sized(protected), _sized(encrypted))


def check_name_shape(name: bytes) -> None:
    """A name is a known hash algorithm and a digest of its size; ArgumentError otherwise."""
    algorithm = int.from_bytes(name[:2])
    if algorithm not in HASH_NAMES or len(name) != 2 + HASH_BYTES[algorithm]:
        raise ArgumentError(f"name of {len(name)} bytes is no name of an object")


def parse_credential_file(data: bytes) -> Credential:
    """Read a credential file of tpm2-tools; EvidenceError (MALFORMED) for anything else."""
    reader = TpmReader(data, name="credential file", at_most=MAX_FILE_BYTES)
    if reader.take(len(_FILE_MAGIC)) != _FILE_MAGIC:
        raise EvidenceError("credential file does not begin with 0xBADCC0DE and version 1")
    id_object, encrypted = (reader.sized(at_most=MAX_FILE_BYTES) for _ in range(2))
    reader.end()
    return Credential(_sized(id_object), _sized(encrypted))


def check_credential(credential: Credential, *, ek_spki: bytes, template: EkTemplate, secret_bytes: int) -> None:
    """Whether a credential has the shape of one for this EK and a secret of this size: all that can be told without the
    EK's private half. EvidenceError (MALFORMED) otherwise.
    """
    size = HASH_BYTES[template.hash_algorithm]
    reader = TpmReader(credential.id_object, name="identity object", at_most=MAX_FILE_BYTES)
    inner = TpmReader(reader.sized(at_most=MAX_FILE_BYTES), name="identity object", at_most=MAX_FILE_BYTES)
    reader.end()
    if len(inner.sized(at_most=size)) != size:
        raise EvidenceError("identity object has an HMAC that is not of the EK's hash")
    inner.take(2 + secret_bytes)
    inner.end()
    reader = TpmReader(credential.encrypted_secret, name="encrypted secret", at_most=MAX_FILE_BYTES)
    encrypted = reader.sized(at_most=MAX_FILE_BYTES)
    reader.end()
    key = load_key(ek_spki)
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = TpmReader(encrypted, name="ephemeral point", at_most=MAX_FILE_BYTES)
        coordinates = [point.sized(at_most=66) for _ in range(2)]
        point.end()
        _load_point(coordinates, key.curve)
    elif not isinstance(key, rsa.RSAPublicKey) or len(encrypted) != key.key_size // 8:
        raise EvidenceError("encrypted secret has not the size of the EK")


def kdfa(hash_name: str, key: bytes, label: str, *, u: bytes = b"", v: bytes = b"", bits: int) -> bytes:
    """KDFa (Part 1, 11.4.10.2): SP 800-108 in counter mode with HMAC. `bits` is a multiple of 8."""
    fixed = label.encode() + b"\0" + u + v + bits.to_bytes(4)
    blocks = -(-bits // (8 * hashlib.new(hash_name).digest_size))
    stream = b"".join(hmac.digest(key, i.to_bytes(4) + fixed, hash_name) for i in range(1, blocks + 1))
    return stream[: bits // 8]


def kdfe(hash_name: str, z: bytes, label: str, *, u: bytes, v: bytes, bits: int) -> bytes:
    """KDFe (Part 1, 11.4.10.3): SP 800-56A one-step derivation. `bits` is a multiple of 8."""
    fixed = z + label.encode() + b"\0" + u + v
    blocks = -(-bits // (8 * hashlib.new(hash_name).digest_size))
    stream = b"".join(hashlib.new(hash_name, i.to_bytes(4) + fixed).digest() for i in range(1, blocks + 1))
    return stream[: bits // 8]


def _protect(secret: bytes, seed: bytes, *, name: bytes, hash_name: str, aes_bits: int) -> bytes:
    """Part 1, 24.4 and 24.5: encrypt the sized secret, then authenticate it together with the name."""
    aes_key = kdfa(hash_name, seed, "STORAGE", u=name, bits=aes_bits)
    encryptor = Cipher(algorithms.AES(aes_key), CFB(bytes(16))).encryptor()
    encrypted = encryptor.update(_sized(secret)) + encryptor.finalize()
    hmac_key = kdfa(hash_name, seed, "INTEGRITY", bits=8 * hashlib.new(hash_name).digest_size)
    return _sized(hmac.digest(hmac_key, encrypted + name, hash_name)) + encrypted


def _oaep(key: rsa.RSAPublicKey, seed: bytes, *, hash_name: str, entropy: Entropy) -> bytes:
    """RSAES-OAEP (RFC 8017, 7.1.1) with label "IDENTITY" and its NUL, written out because its random seed is given."""
    size, digest = key.key_size // 8, hashlib.new(hash_name, b"IDENTITY\0").digest()
    if size < 2 * len(digest) + 2 + len(seed):
        raise EvidenceError(f"EK of {key.key_size} bits is too short")
    padding = bytes(size - len(seed) - 2 * len(digest) - 2)
    block = digest + padding + b"\x01" + seed
    mask_seed = entropy(len(digest))
    masked = _xor(block, _mgf1(mask_seed, len(block), hash_name))
    head = _xor(mask_seed, _mgf1(masked, len(digest), hash_name))
    numbers = key.public_numbers()
    return pow(int.from_bytes(head + masked), numbers.e, numbers.n).to_bytes(size)


def _share(key: ec.EllipticCurvePublicKey, *, hash_name: str, entropy: Entropy) -> tuple[bytes, bytes]:
    """One-pass ECDH (Part 1, C.6.3): the seed and the TPMS_ECC_POINT of the ephemeral key."""
    size = (key.curve.key_size + 7) // 8
    scalar = int.from_bytes(entropy(size + 8)) % (key.curve.group_order - 1) + 1  # FIPS 186-5, A.2.1
    ephemeral = ec.derive_private_key(scalar, key.curve)
    z = ephemeral.exchange(ec.ECDH(), key)
    point, peer = ephemeral.public_key().public_numbers(), key.public_numbers()
    u, v = point.x.to_bytes(size), peer.x.to_bytes(size)
    seed = kdfe(hash_name, z, "IDENTITY", u=u, v=v, bits=8 * hashlib.new(hash_name).digest_size)
    return seed, _sized(u) + _sized(point.y.to_bytes(size))


def _load_point(coordinates: list[bytes], curve: ec.EllipticCurve) -> None:
    x, y = (int.from_bytes(item) for item in coordinates)
    try:
        ec.EllipticCurvePublicNumbers(x, y, curve).public_key()
    except ValueError as error:
        raise EvidenceError("ephemeral point is not on the curve of the EK") from error


def _mgf1(seed: bytes, size: int, hash_name: str) -> bytes:
    blocks = -(-size // hashlib.new(hash_name).digest_size)
    return b"".join(hashlib.new(hash_name, seed + i.to_bytes(4)).digest() for i in range(blocks))[:size]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data
