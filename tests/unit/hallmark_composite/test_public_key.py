import pytest

from composite_keys import SoftwareCompositeKey
from hallmark_composite import ALGORITHMS, CompositeAlgorithm, CompositePublicKey, MalformedPublicKey

BOTH_FORMS = ["der", "pem"]


@pytest.fixture(params=ALGORITHMS.values(), ids=str, scope="module")
def public_key(request: pytest.FixtureRequest) -> CompositePublicKey:
    algorithm: CompositeAlgorithm = request.param
    return SoftwareCompositeKey(algorithm).public_key


def test_bytes_der_and_pem_come_back_as_the_same_key(public_key: CompositePublicKey) -> None:
    assert CompositePublicKey.from_bytes(public_key.algorithm, public_key.raw) == public_key
    assert CompositePublicKey.from_spki_der(public_key.to_spki_der()) == public_key
    assert CompositePublicKey.from_spki_pem(public_key.to_spki_pem()) == public_key
    assert CompositePublicKey.from_spki_pem(public_key.to_spki_pem().encode()) == public_key


def test_the_halves_are_the_two_ends_of_the_key(public_key: CompositePublicKey) -> None:
    assert public_key.ml_dsa_bytes + public_key.ec_point == public_key.raw
    assert len(public_key.ml_dsa_bytes) == public_key.algorithm.ml_dsa.public_key_size
    assert public_key.ec_point[0] == 4


def test_the_fingerprint_is_32_bytes_of_the_spki(public_key: CompositePublicKey) -> None:
    other = SoftwareCompositeKey(public_key.algorithm).public_key
    assert len(public_key.fingerprint()) == 32
    assert public_key.fingerprint() != other.fingerprint()


@pytest.mark.parametrize("change", [-1, 1])
def test_another_length_is_refused(public_key: CompositePublicKey, change: int) -> None:
    raw = public_key.raw[:change] if change < 0 else public_key.raw + b"\x00"
    with pytest.raises(MalformedPublicKey, match="bytes"):
        CompositePublicKey.from_bytes(public_key.algorithm, raw)
    der = public_key.to_spki_der()
    with pytest.raises(MalformedPublicKey):
        CompositePublicKey.from_spki_der(der[:change] if change < 0 else der + b"\x00")


@pytest.mark.parametrize("first_byte", [0x02, 0x03, 0x05, 0x06])
def test_other_point_encodings_are_refused(public_key: CompositePublicKey, first_byte: int) -> None:
    raw = bytearray(public_key.raw)
    raw[public_key.algorithm.ml_dsa.public_key_size] = first_byte
    with pytest.raises(MalformedPublicKey, match="uncompressed"):
        CompositePublicKey.from_bytes(public_key.algorithm, bytes(raw))


def test_a_point_off_the_curve_is_refused(public_key: CompositePublicKey) -> None:
    raw = bytearray(public_key.raw)
    raw[-1] ^= 1
    with pytest.raises(MalformedPublicKey, match="not valid"):
        CompositePublicKey.from_bytes(public_key.algorithm, bytes(raw))


def test_every_byte_before_the_key_matters(public_key: CompositePublicKey) -> None:
    der = public_key.to_spki_der()
    for position in range(len(der) - public_key.algorithm.public_key_size):
        changed = bytearray(der)
        changed[position] ^= 0x01
        with pytest.raises(MalformedPublicKey):
            CompositePublicKey.from_spki_der(bytes(changed))


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "ключ",
    ],
)
def test_other_text_is_not_a_pem_key(pem: str) -> None:
    with pytest.raises(MalformedPublicKey):
        CompositePublicKey.from_spki_pem(pem)


def test_two_keys_in_one_pem_are_refused(public_key: CompositePublicKey) -> None:
    with pytest.raises(MalformedPublicKey):
        CompositePublicKey.from_spki_pem(public_key.to_spki_pem() * 2)
