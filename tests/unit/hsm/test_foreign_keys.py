import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hallmark_composite import ALGORITHMS, DEFAULT_ALGORITHM, EcCurve, MlDsaParameterSet
from hallmark_envelope import HpkeKem, TransferAlgorithm
from hsm import der
from hsm.engines.expansion import find_expand_seed
from hsm.errors import ImportRefused
from hsm.foreign_keys import ClearKey, encode, parse
from hsm.key_targets import ED25519, classical_kind, classical_label, target_of, transfer_algorithm
from hsm.secret import Secret

SEED = bytes(range(32))
P256_KEY, P384_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())


def pkcs8(key) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def sec1(key) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def both_form(parameter_set: MlDsaParameterSet, seed: bytes, expanded: bytes) -> bytes:
    seed_only = encode(parameter_set, ClearKey(seed=Secret(SEED)))
    private = der.element(der.SEQUENCE, der.element(der.OCTET_STRING, seed) + der.element(der.OCTET_STRING, expanded))
    algorithm = der.element(der.SEQUENCE, der.take(der.take_only(seed_only, der.SEQUENCE)[3:], der.SEQUENCE)[0])
    return der.element(der.SEQUENCE, b"\x02\x01\x00" + algorithm + der.element(der.OCTET_STRING, private))


@pytest.mark.parametrize("algorithm", TransferAlgorithm, ids=str)
def test_what_is_written_is_read(algorithm: TransferAlgorithm) -> None:
    target = target_of(algorithm)
    assert transfer_algorithm(target) is algorithm
    classical = bytes(15) + SEED[:17] if classical_kind(target) is not EcCurve.P384 else bytes(16) + SEED
    key = ClearKey(
        seed=None if isinstance(target, EcCurve | str) else Secret(SEED),
        classical=None if classical_kind(target) is None else Secret(classical),
    )
    assert parse(target, encode(target, key), expand=None) == key
    assert repr(key) == "ClearKey()"


def test_labels_keep_component_keys_apart() -> None:
    assert classical_label(DEFAULT_ALGORITHM) != classical_label(EcCurve.P256)


@pytest.mark.parametrize("parameter_set", MlDsaParameterSet, ids=lambda item: item.value)
def test_ml_dsa_seed_form_is_the_packages_own(parameter_set: MlDsaParameterSet) -> None:
    kind = getattr(mldsa, f"MLDSA{parameter_set.value.removeprefix('ML-DSA-')}PrivateKey")
    encoded = pkcs8(kind.from_seed_bytes(SEED))
    assert len(encoded) == 54
    assert encode(parameter_set, ClearKey(seed=Secret(SEED))) == encoded
    assert parse(parameter_set, encoded, expand=None).seed == Secret(SEED)


def test_seed_and_expanded_key_must_belong_together() -> None:
    expand = find_expand_seed()
    if expand is None:
        pytest.skip("PyCryptodome is not installed, so the expanded form is refused")
    parameter_set = MlDsaParameterSet.ML_DSA_65
    _, expanded = expand(parameter_set, SEED)
    good = both_form(parameter_set, SEED, expanded)
    assert parse(parameter_set, good, expand=expand).seed == Secret(SEED)
    with pytest.raises(ImportRefused, match="send the seed form"):
        parse(parameter_set, good, expand=None)
    for position in (0, 40, 100, 200, len(expanded) - 1):
        changed = bytearray(expanded)
        changed[position] ^= 1
        with pytest.raises(ImportRefused, match="do not belong together"):
            parse(parameter_set, both_form(parameter_set, SEED, bytes(changed)), expand=expand)
    for seed, secret in ((bytes(32), expanded), (SEED, expanded[:-1]), (SEED[:-1], expanded)):
        with pytest.raises(ImportRefused):
            parse(parameter_set, both_form(parameter_set, seed, secret), expand=expand)


def test_elliptic_keys_come_as_pkcs8_and_sec1() -> None:
    for encoded in (pkcs8(P256_KEY), sec1(P256_KEY)):
        scalar = parse(EcCurve.P256, encoded, expand=None).classical
        assert int.from_bytes(scalar.reveal(), "big") == P256_KEY.private_numbers().private_value


@pytest.mark.parametrize(
    ("target", "encoded", "why"),
    [
        (EcCurve.P256, pkcs8(P384_KEY), "not a private key on P-256"),
        (EcCurve.P384, pkcs8(P256_KEY), "not a private key on P-384"),
        (EcCurve.P256, pkcs8(rsa.generate_private_key(65537, 2048)), "not a private key on P-256"),
        (EcCurve.P256, pkcs8(P256_KEY) + b"\x00", "DER"),
        (ED25519, pkcs8(P256_KEY), "not an Ed25519"),
        (ED25519, pkcs8(mldsa.MLDSA44PrivateKey.from_seed_bytes(SEED)), "not an Ed25519"),
        (MlDsaParameterSet.ML_DSA_44, pkcs8(mldsa.MLDSA65PrivateKey.from_seed_bytes(SEED)), "algorithm"),
        (MlDsaParameterSet.ML_DSA_44, pkcs8(mldsa.MLDSA44PrivateKey.from_seed_bytes(SEED)) + b"\x00", "DER"),
        (MlDsaParameterSet.ML_DSA_44, pkcs8(ed25519.Ed25519PrivateKey.generate()), "algorithm"),
        (DEFAULT_ALGORITHM, pkcs8(P256_KEY), "algorithm"),
        (HpkeKem.MLKEM768_X25519, SEED + b"\x00", "32 bytes"),
        (HpkeKem.MLKEM768_X25519, bytes(16_385), "16384"),
    ],
    ids=[f"case-{number}" for number in range(12)],  # keys are fresh in every process
)
def test_what_is_another_kind_of_key_is_refused(target, encoded: bytes, why: str) -> None:
    with pytest.raises(ImportRefused, match=why):
        parse(target, encoded, expand=find_expand_seed())


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=str)
def test_the_scalar_of_a_composite_is_checked(algorithm) -> None:
    size = algorithm.curve.coordinate_size
    for scalar in (bytes(size), b"\xff" * size):
        with pytest.raises(ImportRefused, match="EC half"):
            parse(algorithm, encode(algorithm, ClearKey(seed=Secret(SEED), classical=Secret(scalar))), expand=None)
    for scalar in (SEED[:-1], bytes(size + 1), b""):
        with pytest.raises(ImportRefused):
            parse(algorithm, encode(algorithm, ClearKey(seed=Secret(SEED), classical=Secret(scalar))), expand=None)


def test_a_key_that_takes_long_to_load_is_refused_at_once() -> None:
    """OpenSSL tests the primes of an RSA key; with these, the 16 KiB of an import can hold it up for minutes."""
    p, q, e = 2**2203 - 1, 2**2281 - 1, 1_000_003
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = (0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    content = b"".join(der.element(der.INTEGER, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in numbers)
    bare = der.element(der.SEQUENCE, content)
    algorithm = der.element(der.SEQUENCE, der.object_identifier("1.2.840.113549.1.1.1") + b"\x05\x00")
    wrapped = der.element(der.SEQUENCE, b"\x02\x01\x00" + algorithm + der.element(der.OCTET_STRING, bare))
    began = time.perf_counter()
    for target in (EcCurve.P256, ED25519):
        for encoded in (bare, wrapped):
            with pytest.raises(ImportRefused):
                parse(target, encoded, expand=None)
    assert time.perf_counter() - began < 1
