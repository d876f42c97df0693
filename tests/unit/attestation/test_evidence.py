from base64 import b64encode

import pytest

from attestation import EvidenceError, load_chain


def pem(*certificates: bytes) -> bytes:
    return b"".join(
        b"-----BEGIN CERTIFICATE-----\n" + b64encode(der) + b"\n-----END CERTIFICATE-----\n" for der in certificates
    )


@pytest.fixture(scope="module")
def chain(phone):
    return phone.attest(b"file").named("certificate")


def test_pem_and_der_give_the_same_chain(chain):
    assert load_chain(pem(*chain)) == chain
    assert load_chain(b"".join(chain)) == chain
    assert load_chain(chain[0]) == chain[:1]


def test_pem_may_carry_comments_and_carriage_returns(chain):
    assert load_chain(b"# of a phone\r\n" + pem(*chain).replace(b"\n", b"\r\n")) == chain


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        b"-----BEGIN CERTIFICATE-----\nA*A=\n-----END CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\nAAAAA\n-----END CERTIFICATE-----",
        pem(*[b"x"] * 9),
        b"\x30\x00" * 9,
        b"\x30\x05\x00",
        bytes(128 * 1024 + 1),
    ],
    ids=lambda data: data[:30].decode("latin-1"),
)
def test_files_that_hold_no_chain(data):
    with pytest.raises(EvidenceError):
        load_chain(data)
