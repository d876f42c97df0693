"""Callers with bearer tokens: an issuer of our own, the port for tokens, tokens bound to certificates, and the SDK."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from hallmark.v1 import approvals_pb2, approvals_pb2_grpc, keys_pb2, keys_pb2_grpc, log_pb2, log_pb2_grpc
from hallmark_client import Client, Profile, ProfileInvalid, TransportRefused, Unauthenticated
from hallmark_client.rpc import GET_CAPABILITIES
from hallmark_client.token_credentials import keep_grpc_running
from hallmark_client.watch.grpc_aio import AioConnection
from rpc.wire import Refusal, credentials, fresh_id, read_refusal, refused
from support.oidc_issuer import OidcIssuer, new_key, running_issuer, thumbprint
from support.service import RunningService, running_service

ROLE = {"tenant": '"acme"', "role_claim": '"role"', "roles": '{ keeper = "admin", reader = "auditor" }'}


@pytest.fixture(scope="module")
def issuer() -> Iterator[OidcIssuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def guarded(issuer: OidcIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    settings = "[identity]\ntoken_port = 0\n" + issuer.settings(**ROLE)
    with running_service(tmp_path_factory.mktemp("oidc"), settings=settings) as running:
        yield running


def _ca(service: RunningService) -> bytes:
    return (service.home / "tls" / "ca.pem").read_bytes()


@contextmanager
def _tokens(service: RunningService, *tokens: str) -> Iterator[grpc.Channel]:
    """On the port for tokens, with these in the metadata of each call."""
    keep_grpc_running()
    tls = grpc.ssl_channel_credentials(_ca(service))
    for token in tokens:
        tls = grpc.composite_channel_credentials(tls, grpc.access_token_call_credentials(token))
    with grpc.secure_channel(str(service.facts["token_address"]), tls) as opened:
        yield opened


def _get(opened: grpc.Channel, **more: object) -> log_pb2.Checkpoint:
    return log_pb2_grpc.LogServiceStub(opened).GetCheckpoint(log_pb2.GetCheckpointRequest(), timeout=20, **more)


def _refused(opened: grpc.Channel) -> Refusal:
    return refused(log_pb2_grpc.LogServiceStub(opened).GetCheckpoint, log_pb2.GetCheckpointRequest())


def _profile(service: RunningService, token: str) -> Profile:
    return Profile(address=str(service.facts["token_address"]), ca_pem=_ca(service), token=lambda: token, tenant="acme")


def test_a_token_is_an_identity(guarded: RunningService, issuer: OidcIssuer) -> None:
    with _tokens(guarded, issuer.token(role="reader", sub="reader-of-audit")) as opened:
        assert _get(opened)
        create = keys_pb2.CreateKeyRequest(parent="tenants/acme", key_id="k", request_id=fresh_id())
        assert refused(keys_pb2_grpc.KeyServiceStub(opened).CreateKey, create).reason == "ROLE_NOT_ALLOWED"
    line = next(line for line in guarded.audit() if "reader-of-audit" in str(line["caller"]))
    assert line["tenant"] == "acme"
    assert str(line["caller"]).startswith("spiffe://hallmark.local/tenants/acme/auditor/test--reader-of-audit-")
    assert line["authentication"] == "oidc"


def test_the_same_person_is_the_same_caller(guarded: RunningService, issuer: OidcIssuer) -> None:
    """Idempotency is by caller: the second token of one person may repeat what the first began."""
    request = keys_pb2.CreateKeyRequest(parent="tenants/acme", key_id="repeat", request_id=fresh_id())
    names = set()
    for _ in range(2):
        with _tokens(guarded, issuer.token(role="keeper", jti=fresh_id())) as opened:
            names.add(keys_pb2_grpc.KeyServiceStub(opened).CreateKey(request, timeout=20).key.name)
    assert names == {"tenants/acme/keys/repeat"}


def test_what_is_no_good_is_refused_and_never_repeated(guarded: RunningService, issuer: OidcIssuer) -> None:
    stranger = OidcIssuer(url=issuer.url, keys={"k1": ("ES256", new_key("ES256"))})
    cases = {
        "TOKEN_EXPIRED": [issuer.token(role="reader", iat=time.time() - 700, exp=time.time() - 31)],
        "TOKEN_INVALID": [
            "a.b.c",
            "x" * 17_000,
            stranger.token(role="reader"),
            issuer.token(role="reader", aud="somebody"),
            issuer.token(role="nobody"),
            issuer.token(role="reader", nbf=time.time() + 60),
            issuer.token(role="reader", iss="https://elsewhere.example"),
        ],
        "TOKEN_NOT_BOUND": [issuer.token(role="reader", cnf={"x5t#S256": "A" * 43})],
    }
    for reason, tokens in cases.items():
        for token in tokens:
            with _tokens(guarded, token) as opened:
                refusal = _refused(opened)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, reason), refusal.message
            assert token not in refusal.message
            assert token not in guarded.log


def test_a_large_token_fits(guarded: RunningService, issuer: OidcIssuer) -> None:
    token = issuer.token(role="reader", groups=["g" * 30] * 330)
    assert 14_000 < len(token) < 16_384
    with _tokens(guarded, token) as opened:
        assert _get(opened)


def test_one_token_and_no_more(guarded: RunningService, issuer: OidcIssuer) -> None:
    token = issuer.token(role="reader")
    with _tokens(guarded, token, token) as opened:
        assert "more than one" in _refused(opened).message
    with _tokens(guarded) as opened:
        assert "Bearer TOKEN" in _refused(opened).message


def test_beside_a_certificate_only_a_bound_token_counts(guarded: RunningService, issuer: OidcIssuer) -> None:
    folder = guarded.home / "clients" / "backend"
    bound = issuer.token(role="reader", cnf={"x5t#S256": thumbprint((folder / "cert.pem").read_bytes())})

    def call(role: str, token: str) -> None:
        tls = credentials(guarded.home / "clients" / role)
        both = grpc.composite_channel_credentials(tls, grpc.access_token_call_credentials(token))
        with grpc.secure_channel(str(guarded.facts["address"]), both) as opened:
            _get(opened)

    call("backend", bound)
    assert guarded.audit()[-1]["authentication"] == "mtls+oidc"
    for role, token in (("backend", issuer.token(role="reader")), ("admin", bound)):
        with pytest.raises(grpc.RpcError) as error:
            call(role, token)
        assert read_refusal(error.value).reason == "TOKEN_NOT_BOUND"


def test_people_approve_with_certificates(guarded: RunningService, issuer: OidcIssuer) -> None:
    with _tokens(guarded, issuer.token(role="keeper")) as opened:
        propose = approvals_pb2.CreateProposalRequest(
            parent="tenants/acme",
            act=approvals_pb2.PROPOSED_ACT_SHRED,
            subject="tenants/acme/keys/k/versions/1",
            request_id=fresh_id(),
        )
        refusal = refused(approvals_pb2_grpc.ApprovalServiceStub(opened).CreateProposal, propose)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CERTIFICATE_UNKNOWN")
    assert "certificate" in refusal.message


def test_strangers_do_not_make_us_ask_the_issuer(guarded: RunningService, issuer: OidcIssuer) -> None:
    before = issuer.hits
    with _tokens(guarded, issuer.token(role="reader")) as opened:
        assert _get(opened)
    for number in range(40):
        with _tokens(guarded, issuer.token(role="reader", headers={"kid": f"random-{number}"})) as opened:
            assert _refused(opened).reason in {"TOKEN_INVALID", "ISSUER_UNAVAILABLE"}
    assert issuer.hits <= before + 1


def test_while_the_issuer_is_away_its_keys_hold(guarded: RunningService, issuer: OidcIssuer) -> None:
    issuer.is_away = True
    try:
        with _tokens(guarded, issuer.token(role="reader", jti="while away")) as opened:
            assert _get(opened)
    finally:
        issuer.is_away = False


def test_an_issuer_that_was_never_there_is_told_apart(tmp_path: Path) -> None:
    with running_issuer() as late:
        late.is_away = True
        settings = "[identity]\ntoken_port = 0\n" + late.settings(**ROLE)
        with (
            running_service(tmp_path / "late", settings=settings) as service,
            _tokens(service, late.token(role="reader")) as opened,
        ):
            refusal = _refused(opened)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "ISSUER_UNAVAILABLE")
    assert "RetryInfo" in refusal.details


def test_the_sdk_sends_the_token_of_the_moment(guarded: RunningService, issuer: OidcIssuer, tmp_path: Path) -> None:
    folder = tmp_path / "profile"
    folder.mkdir()
    (folder / "profile.json").write_text(json.dumps({"address": guarded.facts["token_address"], "tenant": "acme"}))
    (folder / "ca.pem").write_bytes(_ca(guarded))
    token = folder / "token"
    token.write_text(issuer.token(role="reader", iat=time.time() - 700, exp=time.time() - 60) + "\n")
    token.chmod(0o600)
    with Client(Profile.load(folder)) as client:
        with pytest.raises(Unauthenticated) as refused:
            client.capabilities()
        assert refused.value.reason == "TOKEN_EXPIRED"
        token.write_text(issuer.token(role="reader"))
        assert client.capabilities()
        token.unlink()
        assert client.capabilities(), "the last one holds as long as it holds"
    gone = Profile(address=str(guarded.facts["token_address"]), ca_pem=_ca(guarded), token_file=token)
    with Client(gone) as client, pytest.raises(ProfileInvalid, match="token file"):
        client.capabilities()


async def test_the_asyncio_client_sends_it_too(guarded: RunningService, issuer: OidcIssuer) -> None:
    connection = AioConnection(_profile(guarded, issuer.token(role="reader")))
    try:
        assert await connection.ask(GET_CAPABILITIES, keys_pb2.GetCapabilitiesRequest(), 20)
    finally:
        await connection.close()


def test_a_token_on_the_wrong_port_is_told_where_to_go(guarded: RunningService, issuer: OidcIssuer) -> None:
    profile = Profile(
        address=str(guarded.facts["address"]), ca_pem=_ca(guarded), token=lambda: issuer.token(role="reader")
    )
    with Client(profile) as client, pytest.raises(TransportRefused, match="token_port"):
        client.capabilities()
