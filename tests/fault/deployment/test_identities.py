"""Certificates that should not work any more: stolen from a device that was revoked, expired, of an expired server.

And requests that come twice, late or from somebody else. Two replicas: what the one learnt, the other refuses.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from hallmark.v1 import devices_pb2, devices_pb2_grpc, keys_pb2, keys_pb2_grpc, revocation_pb2, revocation_pb2_grpc
from hallmark_client import Client, PermissionDenied, Profile, TransportRefused
from kms.core.identity import Role
from kms.server.identity import spiffe_id
from rpc.test_gated_keys import Phone
from rpc.wire import PARENT, channel, credentials, fresh_id, fresh_name, refused
from support.deployment_recovery import PROPERTY, fault_row
from support.postgresql import PostgresqlServer
from support.replicas import Replicas, two_replicas
from support.service import RunningService

REFUSED_WITHIN = 3.0


@pytest.fixture(scope="module")
def replicas(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with postgresql.database() as url, two_replicas(tmp_path_factory.mktemp("identities"), url) as two:
        yield two


def _address(service: RunningService) -> str:
    return str(service.facts["address"])


def test_a_stolen_certificate_ends_with_its_device(replicas: Replicas, tmp_path: Path, record_property) -> None:
    """Mallory has copied the phone's folder; the phone is revoked at the first replica."""
    phone = Phone(replicas.first, tmp_path / "phone")
    opened = [grpc.secure_channel(_address(each), credentials(tmp_path / "phone")) for each in replicas.both]
    stubs = [devices_pb2_grpc.DeviceServiceStub(each) for each in opened]
    for stub in stubs:
        assert stub.CreateChallenge(_challenge(), timeout=10).name
    with replicas.first.client() as admin:
        admin.revocations.revoke(phone.name, "DEVICE_LOST")
        revoked_at = time.monotonic()
    seconds = [_until_refused(stub, revoked_at) for stub in stubs]
    for each in replicas.both:
        with Client(_profile_at(each, tmp_path / "phone"), timeout_seconds=5) as thief:
            with pytest.raises(PermissionDenied) as told:
                thief.devices.create_challenge()
            assert told.value.reason == "DEVICE_REVOKED", "a new connection does not help"
    for each in opened:
        each.close()
    record_property(PROPERTY, fault_row("stolen certificate: refused by both", calls=4, lost=None, recovery=seconds))


def _challenge() -> devices_pb2.CreateChallengeRequest:
    return devices_pb2.CreateChallengeRequest(parent=PARENT, request_id=fresh_id())


def _until_refused(stub: devices_pb2_grpc.DeviceServiceStub, since: float) -> float:
    while time.monotonic() < since + REFUSED_WITHIN:
        try:
            stub.CreateChallenge(_challenge(), timeout=10)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.PERMISSION_DENIED:
                return time.monotonic() - since
            raise
    raise AssertionError("a revoked device is still let in")


def _profile_at(service: RunningService, folder: Path) -> Profile:
    files = {f"{name}_pem": (folder / f"{name}.pem").read_bytes() for name in ("ca", "cert", "key")}
    return Profile(address=_address(service), **files)


@pytest.mark.parametrize(
    ("role", "name"), [(Role.BACKEND, "backend"), (Role.DEVICE, "d-stolen"), (Role.ADMIN, "admin")]
)
def test_an_expired_certificate_is_refused_in_the_handshake(
    replicas: Replicas, tmp_path: Path, role: Role, name: str
) -> None:
    """At once and said so, not after the deadline."""
    _expired(replicas.first, tmp_path, role, name)
    for each in replicas.both:
        began = time.monotonic()
        with Client(_profile_at(each, tmp_path), timeout_seconds=20) as client, pytest.raises(TransportRefused) as told:
            client.capabilities()
        assert "has expired" in told.value.message
        assert time.monotonic() - began < 10


def _expired(service: RunningService, folder: Path, role: Role, name: str) -> None:
    """A certificate that the authority made, and that ended yesterday."""
    tls = service.home / "tls"
    key = load_pem_private_key((tls / "ca.key").read_bytes(), None)
    authority = x509.load_pem_x509_certificate((tls / "ca.pem").read_bytes())
    own = load_pem_private_key((service.home / "clients" / "backend" / "key.pem").read_bytes(), None)
    now = datetime.now(UTC)
    uri = x509.UniformResourceIdentifier(spiffe_id("hallmark.local", "default", role, name))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3))
        .not_valid_after(now - timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([uri]), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_identity(folder, service, certificate)


def _write_identity(folder: Path, service: RunningService, certificate: x509.Certificate) -> None:
    (folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    for name, source in (("key.pem", "clients/backend/key.pem"), ("ca.pem", "tls/ca.pem")):
        (folder / name).write_bytes((service.home / source).read_bytes())
    (folder / "key.pem").chmod(0o600)


def test_captured_requests(replicas: Replicas, tmp_path: Path) -> None:
    """The very bytes of a request: again, changed, at the other replica, and from another identity."""
    with channel(replicas.first, "backend") as first, channel(replicas.second, "backend") as second:
        with replicas.first.client() as admin:
            key = admin.keys.create(fresh_name()).name
        captured = keys_pb2.SignRequest(name=key, data=b"pay 10", request_id=fresh_id())
        stubs = [keys_pb2_grpc.SigningServiceStub(each) for each in (first, second)]
        signed = stubs[0].Sign(captured, timeout=20)
        for stub in stubs:
            again = stub.Sign(captured, timeout=20)
            assert (again.signature, again.log.leaf_hash, again.replayed) == (
                signed.signature,
                signed.log.leaf_hash,
                True,
            )
        changed = keys_pb2.SignRequest(name=key, data=b"pay 99", request_id=captured.request_id)
        for stub in stubs:
            assert refused(stub.Sign, changed).reason == "REQUEST_ID_REUSED"
    for each in replicas.both:
        with channel(each, "auditor") as auditor:
            told = refused(keys_pb2_grpc.SigningServiceStub(auditor).Sign, captured)
            assert told.reason == "ROLE_NOT_ALLOWED"
        with channel(each, "admin") as admin:
            other = keys_pb2_grpc.SigningServiceStub(admin).Sign(captured, timeout=20)
            assert other.log.leaf_hash != signed.log.leaf_hash, "nobody is shown what another was answered"


def test_requests_out_of_order(replicas: Replicas) -> None:
    """An etag of before, a challenge that was used, a page of another list, a cursor that is no longer ours."""
    with channel(replicas.first) as first, channel(replicas.second) as second:
        one, other = keys_pb2_grpc.KeyServiceStub(first), keys_pb2_grpc.KeyServiceStub(second)
        key = one.CreateKey(keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id())).key
        late = keys_pb2.RotateKeyRequest(name=key.name, etag=key.etag, request_id=fresh_id())
        other.RotateKey(keys_pb2.RotateKeyRequest(name=key.name, request_id=fresh_id()), timeout=20)
        assert refused(one.RotateKey, late).reason == "ETAG_MISMATCH"
        page = keys_pb2.ListKeysRequest(parent=PARENT, page_token="AAAA")
        assert refused(other.ListKeys, page).reason == "PAGE_TOKEN_INVALID"
        watch = revocation_pb2.WatchRevocationsRequest(parent=PARENT, cursor="AAAA")
        stream = revocation_pb2_grpc.RevocationServiceStub(second).WatchRevocations
        assert (
            refused(lambda request, timeout: next(stream(request, timeout=timeout)), watch).reason == "CURSOR_INVALID"
        )
    with replicas.first.client("backend") as backend, replicas.second.client("backend") as elsewhere:
        challenge = backend.devices.create_challenge()
        chain = [part.data for part in replicas.first.phone.generate_key(challenge.challenge).evidence.parts]
        assert elsewhere.devices.attest(challenge.name, chain).verdict is not None
        with pytest.raises(Exception, match="CHALLENGE_USED"):
            backend.devices.attest(challenge.name, chain)
