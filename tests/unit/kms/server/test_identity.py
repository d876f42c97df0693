import pytest

from kms.core.errors import Reason, Unauthenticated
from kms.core.identity import Role
from kms.server.identity import identify, read_channel, spiffe_id

GOOD = spiffe_id("hallmark.local", "default", Role.BACKEND, "api-1")


def _auth(*names: str) -> dict[str, list[bytes]]:
    return {"x509_subject_alternative_name": [name.encode() for name in names]}


def test_the_caller_is_what_the_certificate_says() -> None:
    caller = identify(_auth("localhost", GOOD), "hallmark.local")
    assert (caller.tenant, caller.role, caller.name, caller.spiffe_id) == ("default", Role.BACKEND, "api-1", GOOD)


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("localhost",),
        (GOOD, GOOD),
        (GOOD, "spiffe://hallmark.local/tenants/default/admin/x"),
        ("spiffe://evil.example/tenants/default/admin/x",),
        ("spiffe://hallmark.local/tenants/default/root/x",),
        ("spiffe://hallmark.local/tenants/system/admin/x",),
        ("spiffe://hallmark.local/tenants/default/admin/x/extra",),
        ("spiffe://hallmark.local/tenants//admin/x",),
        ("spiffe://hallmark.local.evil/tenants/default/admin/x",),
        ("spiffe://hallmark.local/tenants/default/admin/x\n",),
    ],
)
def test_anything_else_is_nobody(names: tuple[str, ...]) -> None:
    with pytest.raises(Unauthenticated) as refused:
        identify(_auth(*names), "hallmark.local")
    assert refused.value.reason is Reason.CERTIFICATE_UNKNOWN


@pytest.mark.parametrize(
    ("version", "group", "expected"),
    [
        ("TLSv1.3", "X25519MLKEM768", True),
        ("TLSv1.3", "SecP384r1MLKEM1024", True),
        ("TLSv1.3", "x25519", False),
        ("TLSv1.2", "X25519MLKEM768", False),
    ],
)
def test_post_quantum_means_tls_13_with_ml_kem(version: str, group: str, expected: bool) -> None:
    auth = {"ssl_tls_version": [version.encode()], "ssl_negotiated_key_exchange_group": [group.encode()]}
    channel = read_channel(auth, "ipv4:127.0.0.1:1")
    assert (channel.tls_version, channel.group, channel.is_post_quantum) == (version, group, expected)


def test_the_peers_certificate_is_handed_on_as_it_came() -> None:
    assert read_channel({"x509_pem_cert": [b"-----BEGIN"]}, "peer").peer_certificate == b"-----BEGIN"
    assert read_channel({}, "peer").peer_certificate == b""


def test_what_grpc_does_not_tell_is_unknown_and_not_post_quantum() -> None:
    assert not read_channel({}, "peer").is_post_quantum
