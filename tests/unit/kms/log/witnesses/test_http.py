import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from kms.log.witnesses.http import WitnessHttp, WitnessUnreachable, check_witness_url
from support import witnesses
from support.witnesses import LoopbackWitness, running


@pytest.fixture
def witness() -> Iterator[LoopbackWitness]:
    made = LoopbackWitness("w")
    with running(made):
        yield made


@pytest.fixture
def http(witness: LoopbackWitness) -> Iterator[WitnessHttp]:
    opened = WitnessHttp(witness.url)
    yield opened
    opened.close()


def post(http: WitnessHttp, seconds: float = 5.0):
    return http.exchange("POST", "add-checkpoint", b"old 0\n\n", timeout_seconds=seconds)


@pytest.mark.parametrize(
    "url",
    ["https://w.example", "https://w.example:8443/a/b", "http://127.0.0.1:1/", "http://[::1]/x", "http://localhost"],
)
def test_urls_that_are_taken(url: str) -> None:
    assert check_witness_url(url).hostname


@pytest.mark.parametrize(
    "url",
    [
        "http://w.example/a",
        "http://10.0.0.1/",
        "http://localhost.example/",
        "ftp://w.example",
        "file:///etc/passwd",
        "https:///a",
        "https://user:secret@w.example/",
        "https://w.example/?a=b",
        "https://w.example/#a",
        "https://w.example:99999/",
        "w.example",
        "",
    ],
)
def test_urls_that_are_not(url: str) -> None:
    with pytest.raises(ValueError):
        check_witness_url(url)


@given(st.text() | st.text().map("https://{}".format) | st.text().map("http://127.0.0.1{}".format))
def test_any_text_is_a_safe_url_or_a_value_error(text: str) -> None:
    try:
        parts = check_witness_url(text)
    except ValueError:
        return
    assert parts.hostname
    assert parts.scheme == "https" or parts.hostname == "localhost" or ip_address(parts.hostname).is_loopback
    assert not any((parts.query, parts.fragment, parts.username, parts.password))


def test_the_connection_is_kept(witness: LoopbackWitness, http: WitnessHttp) -> None:
    for _ in range(3):
        assert post(http).status == 400
    assert witness.connections == 1


def test_a_kept_connection_that_the_witness_closed_costs_nothing(witness: LoopbackWitness, http: WitnessHttp) -> None:
    post(http)
    witness.stop()
    witness.start()
    assert post(http).status == 400
    assert witness.connections == 2


def test_nobody_there(witness: LoopbackWitness, http: WitnessHttp) -> None:
    witness.stop()
    with pytest.raises(WitnessUnreachable):
        post(http)


def test_a_redirect_is_an_answer_and_not_followed(witness: LoopbackWitness, http: WitnessHttp) -> None:
    witness.send = witnesses.redirects(f"{witness.url}/add-checkpoint")
    assert post(http).status == 307
    assert len(witness.bodies) == 1


def test_a_huge_answer_is_not_read(witness: LoopbackWitness, http: WitnessHttp) -> None:
    witness.send = witnesses.huge
    with pytest.raises(WitnessUnreachable, match="larger than"):
        post(http)
    witness.send = witnesses.send
    assert post(http).status == 400, "what was left of it is not the next answer"


@pytest.mark.parametrize("behaviour", [witnesses.waits(3), witnesses.drips])
def test_the_time_is_for_the_whole_exchange(witness: LoopbackWitness, http: WitnessHttp, behaviour) -> None:
    witness.send = behaviour
    began = time.monotonic()
    with pytest.raises(WitnessUnreachable, match=r"no answer within 0\.3 s"):
        post(http, 0.3)
    assert time.monotonic() - began < 1.0
    witness.send = witnesses.send
    assert post(http).status == 400


@pytest.fixture
def https_witness(tmp_path: Path) -> Iterator[LoopbackWitness]:
    """With a certificate that nobody knows, in the file `certificate.pem`."""
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a witness")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    made = LoopbackWitness("w")
    made.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.tls.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    with running(made):
        yield made


def test_a_certificate_that_nobody_vouches_for_is_refused(https_witness: LoopbackWitness) -> None:
    http = WitnessHttp(https_witness.url)
    with pytest.raises(WitnessUnreachable, match="certificate verify failed"):
        post(http)
    assert https_witness.bodies == []


def test_https_with_a_certificate_that_is_trusted(
    https_witness: LoopbackWitness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    http = WitnessHttp(https_witness.url)
    assert [post(http).status, post(http).status] == [400, 400]
    assert https_witness.connections == 1
    https_witness.send = witnesses.drips
    with pytest.raises(WitnessUnreachable, match="no answer within"):
        post(http, 0.3)
    http.close()


def test_what_is_cut_off_ends_at_once_and_stays_ended(witness: LoopbackWitness, http: WitnessHttp) -> None:
    post(http)
    witness.send = witnesses.waits(5)
    timer = threading.Timer(0.2, http.cut_off)
    timer.start()
    began = time.monotonic()
    with pytest.raises(WitnessUnreachable):
        post(http)
    assert time.monotonic() - began < 2
    witness.send = witnesses.send
    with pytest.raises(WitnessUnreachable):
        post(http)


def test_an_answer_that_ends_early_is_none(witness: LoopbackWitness, http: WitnessHttp) -> None:
    def cut(handler, _reply) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.close_connection = True

    witness.send = cut
    with pytest.raises(WitnessUnreachable):
        post(http)
