"""The real service, its keys in a token, with litewitness and omniwitness as the witnesses of its log."""

import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from hallmark.v1 import common_pb2, keys_pb2, keys_pb2_grpc
from hallmark_tlog.by_policy import open_checkpoint_by_policy, verify_proof_by_policy
from hallmark_tlog.errors import QuorumNotReached
from hallmark_tlog.policy import Policy, parse_policy
from hallmark_tlog.verify import Require
from hallmark_tlog.vkey import KeyType, parse_vkey
from peers.tools import Peers, run
from peers.witnesses import litewitness, omniwitness
from rpc.wire import PARENT, channel, fresh_id, fresh_name
from support.service import RunningService, running_service

_SOON_SECONDS = 10
_ACTS = 5


@dataclass(frozen=True, slots=True)
class WitnessedService:
    service: RunningService
    policy: Policy
    """As the service publishes it."""

    @property
    def url(self) -> str:
        return f"{self.service.facts['public_url']}/"

    def read(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return answer.read()

    def act(self) -> common_pb2.LogPromise:
        """Makes a key; returns when the act is published."""
        request = keys_pb2.CreateKeyRequest(
            parent=PARENT, key_id=fresh_name(), request_id=fresh_id(), log_wait=common_pb2.LOG_WAIT_PUBLISHED
        )
        with channel(self.service) as opened:
            return keys_pb2_grpc.KeyServiceStub(opened).CreateKey(request, timeout=20).log


@dataclass(frozen=True, slots=True)
class Tools:
    torchwood: Path
    proofbundle: Path
    fsck: Path


@pytest.fixture
def tools(peers: Peers) -> Tools:
    proofbundle = peers.python().with_name("proofbundle")
    return Tools(peers.program("torchwood-check"), proofbundle, peers.program("tessera-fsck"))


@pytest.fixture
def witnessed(request: pytest.FixtureRequest, peers: Peers, tmp_path: Path) -> Iterator[WitnessedService]:
    """In the mode that the test names. Started once without witnesses, who must know its keys before they are asked."""
    peers.require("torchwood")
    peers.require("omniwitness")
    with ExitStack() as stack:
        service = stack.enter_context(running_service(tmp_path / "home"))
        vkeys = [parse_vkey(line) for line in (service.home / "public/verifier-keys").read_text().splitlines()]
        assert service.stop() == 0
        lite = stack.enter_context(litewitness(peers, tmp_path, vkeys[0]))
        omni = stack.enter_context(omniwitness(peers, tmp_path, vkeys[0]))
        (ed25519, ml_dsa) = omni.keys
        policy = tmp_path / "policy"
        policy.write_text(
            f"witness lite {lite.keys[0]} {lite.url}\n"
            f"witness omni {ed25519} {omni.url}\n"
            f"witness omni-ml-dsa {ml_dsa} {omni.url}\n"
            "group all-three all lite omni omni-ml-dsa\n"
            "quorum all-three\n"
        )
        service.environment |= {
            "HALLMARK__LOG__WITNESS_POLICY": str(policy),
            "HALLMARK__LOG__WITNESS_MODE": request.param,
            "HALLMARK__LOG__WITNESS_INTERVAL_SECONDS": "0.1",
            "HALLMARK__LOG__WITNESS_TIMEOUT_SECONDS": "5",
        }
        service.start()
        yield WitnessedService(service, parse_policy((service.home / "public/policy").read_bytes()))


@pytest.mark.parametrize("witnessed", ["closed"], indirect=True)
def test_a_proof_in_the_answer_carries_the_quorum(tools: Tools, witnessed: WitnessedService, tmp_path: Path) -> None:
    """Also after a restart, when the service has forgotten what its witnesses have and is told with a 409."""
    for _ in range(_ACTS):
        check_proof(witnessed.act(), witnessed.policy, tools, tmp_path)
    assert witnessed.service.stop() == 0
    witnessed.service.start()
    check_proof(witnessed.act(), witnessed.policy, tools, tmp_path)

    key = tmp_path / "log.vkey"
    key.write_text(str(witnessed.policy.logs[0].vkey))
    fsck = run(tools.fsck, f"--storage_url={witnessed.url}", f"--public_key={key}", "-N", "4", "--ui=false")
    assert "Successfully fsck'd" in fsck.must_succeed(), str(fsck)
    size = open_checkpoint_by_policy(witnessed.read("checkpoint"), witnessed.policy).checkpoint.size
    streamed = run(tools.torchwood, "entries", witnessed.url, tmp_path / "ed25519-policy")
    assert streamed.must_succeed() == f"verified {size} entries\n"


def check_proof(promise: common_pb2.LogPromise, policy: Policy, tools: Tools, folder: Path) -> None:
    """By hallmark_tlog with all keys of the policy, by torchwood and by proofbundle with those that each can read."""
    verified = verify_proof_by_policy(promise.tlog_proof, promise.entry, policy, require=Require.ALL)
    assert len(verified.checkpoint.cosigners) == 3
    entry, proof, readable = folder / "entry", folder / "proof", folder / "ed25519-policy"
    entry.write_bytes(promise.entry)
    proof.write_bytes(promise.tlog_proof)
    readable.write_text(ed25519_only(policy))
    run(tools.torchwood, "proof", readable, entry, proof).must_succeed()
    log = policy.logs[0].vkey
    bundle = [tools.proofbundle, "verify-proof", proof, f"--payload-file={entry}", f"--expected-origin={log.name}"]
    bundle += [f"--log-vkey={log}", "--threshold=3", *(f"--witness-vkey={one.vkey}" for one in policy.witnesses)]
    run(*bundle).must_succeed()


def ed25519_only(policy: Policy) -> str:
    """Torchwood 0.9.0 refuses a policy that names an ML-DSA-44 key."""
    logs = [log for log in policy.logs if log.vkey.type == KeyType.ED25519]
    witnesses = [witness for witness in policy.witnesses if witness.vkey.type != KeyType.ML_DSA_44]
    names = " ".join(witness.name for witness in witnesses)
    return "".join(f"{line}\n" for line in (*logs, *witnesses, f"group every all {names}", "quorum every"))


@pytest.mark.parametrize("witnessed", ["open"], indirect=True)
def test_cosignatures_come_to_the_published_checkpoint(witnessed: WitnessedService) -> None:
    index = witnessed.act().leaf_index
    deadline = time.monotonic() + _SOON_SECONDS
    while True:
        note = witnessed.read("checkpoint")
        try:
            opened = open_checkpoint_by_policy(note, witnessed.policy, require=Require.ALL)
        except QuorumNotReached:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
            continue
        break
    assert opened.checkpoint.size > index
    assert len(opened.cosigners) == 3
