"""The real service with two witnesses on loopback, one of each kind of key: nothing is shown that they did not see."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from hallmark.v1 import common_pb2, keys_pb2, keys_pb2_grpc, log_pb2, log_pb2_grpc
from hallmark_tlog.acceptance import accept_by_policy
from hallmark_tlog.by_policy import open_checkpoint_by_policy, verify_proof_by_policy
from hallmark_tlog.policy import Policy, parse_policy
from hallmark_tlog.proof import parse_proof
from hallmark_tlog.vkey import KeyType, VerifierKey, parse_vkey
from rpc.wire import PARENT, channel, fresh_id, fresh_name, refused
from support.service import RunningService, running_service
from support.witnesses import LoopbackWitness, policy_text, running

SETTINGS = """
[log]
witness_policy = "witnesses.policy"
witness_mode = "closed"
witness_interval_seconds = 0.1
"""


class Published(dict[str, list[VerifierKey]]):
    """A witness that takes the log's keys from its public file. Operators would do that by hand."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self._file = home / "public" / "verifier-keys"

    def get(self, _origin, _default=None):
        return [parse_vkey(line) for line in self._file.read_text().splitlines()]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningService, LoopbackWitness]]:
    home = tmp_path_factory.mktemp("witnessed")
    both = LoopbackWitness("ed25519", KeyType.ED25519_COSIGNATURE), LoopbackWitness("ml-dsa", KeyType.ML_DSA_44)
    for witness in both:
        witness.trusted = Published(home)
    with running(*both):
        (home / "witnesses.policy").write_text(policy_text(*both, quorum=2))
        with running_service(home, settings=SETTINGS) as service:
            yield service, both[1]


def create_key(service: RunningService) -> common_pb2.LogPromise:
    request = keys_pb2.CreateKeyRequest(
        parent=PARENT, key_id=fresh_name(), request_id=fresh_id(), log_wait=common_pb2.LOG_WAIT_PUBLISHED
    )
    with channel(service) as opened:
        return keys_pb2_grpc.KeyServiceStub(opened).CreateKey(request, timeout=20).log


def public_policy(service: RunningService) -> Policy:
    with urllib.request.urlopen(f"{service.facts['public_url']}/policy", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/plain")
        return parse_policy(answer.read())


def test_the_proof_in_an_answer_satisfies_the_public_policy(pair) -> None:
    service, _ = pair
    promise = create_key(service)
    policy = public_policy(service)
    assert (len(policy.logs), len(policy.witnesses), policy.quorum) == (2, 2, "all-of-them")
    verified = verify_proof_by_policy(promise.tlog_proof, promise.entry, policy)
    assert verified.index == promise.leaf_index
    cosigners = {signer.name for signer in verified.checkpoint.cosigners}
    assert cosigners == {"witness.example/ed25519", "witness.example/ml-dsa"}


def test_what_is_served_is_cosigned(pair) -> None:
    service, _ = pair
    create_key(service)
    accept = accept_by_policy(public_policy(service))
    with channel(service, "auditor") as opened:
        note = log_pb2_grpc.LogServiceStub(opened).GetCheckpoint(log_pb2.GetCheckpointRequest(), timeout=20).note
    assert accept(note).checkpoint.size >= 1
    assert accept((service.home / "public" / "checkpoint").read_bytes())


def test_without_the_quorum_acts_are_kept_and_proofs_wait(pair) -> None:
    service, witness = pair
    create_key(service)
    shown = (service.home / "public" / "checkpoint").read_bytes()
    witness.stop()
    request = keys_pb2.CreateKeyRequest(
        parent=PARENT, key_id=fresh_name(), request_id=fresh_id(), log_wait=common_pb2.LOG_WAIT_PUBLISHED
    )
    with channel(service) as opened:
        create = keys_pb2_grpc.KeyServiceStub(opened).CreateKey
        late = refused(create, request)
        assert late.reason == "WITNESSES_UNAVAILABLE"
        assert "ml-dsa" in late.message
        assert (service.home / "public" / "checkpoint").read_bytes() == shown
        witness.start()
        promise = create(request, timeout=20).log
    assert open_checkpoint_by_policy(parse_proof(promise.tlog_proof).checkpoint, public_policy(service))


def test_cosignatures_survive_the_service(pair) -> None:
    service, _ = pair
    create_key(service)
    service.kill()
    service.start()
    accept = accept_by_policy(public_policy(service))
    assert accept((service.home / "public" / "checkpoint").read_bytes())
    assert accept(parse_proof(create_key(service).tlog_proof).checkpoint)


def test_a_policy_that_can_not_work_is_said_at_start(tmp_path: Path) -> None:
    (tmp_path / "witnesses.policy").write_text("quorum nobody\n")
    with (
        pytest.raises(RuntimeError, match="line 1 of the policy") as stopped,
        running_service(tmp_path, settings=SETTINGS),
    ):
        pass
    assert "Traceback" not in str(stopped.value)
