"""Steps: two replicas over one database; one is killed at work; what the one revokes, the other refuses; the audit."""

import shutil
import time
import uuid
from collections.abc import Sequence
from typing import Final

from kms.cli.child import ask
from kms.cli.demo.balancer import Balancer
from kms.cli.demo.replicas_callers import Follower, SteadyBackend
from kms.cli.demo.replicas_stage import ReplicasStage, write_settings
from kms.cli.demo.stage import KEY_ID, hold
from kms.cli.output import short, write_file

_BACKENDS: Final = 4
_FOLLOWERS: Final = 4
_SIGNED_BEFORE_KILL: Final = 40
_PATIENCE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.02
_SERVICE_KEY: Final = "tenants/system/keys/revocation-events"
_KILLED: Final = 1
_WITHIN_SECONDS: Final = 1.0
"""A revocation at one replica is refused at every other one within it."""


def start_database(stage: ReplicasStage) -> Sequence[str]:
    stage.database.start()
    stage.findings.database = stage.database.version
    write_settings(stage)
    return (f"{stage.database.version}, a new cluster in a scratch folder, port {stage.database.port}",)


def start_replicas(stage: ReplicasStage) -> Sequence[str]:
    """The first makes certificates, token and tables; every further one is given copies and the way to the token."""
    first, *others = stage.servers
    first.start()
    stage.prepare_second()
    for server in others:
        server.start()
    stage.balancer = Balancer([server.address for server in stage.servers])
    stage.balancer.start()
    stage.log = stage.at(0, "admin").capabilities().log
    stage.findings.replicas = len(stage.servers)
    return (
        f"{' and '.join(server.address for server in stage.servers)}: one database, one token, one log, no leader",
        f"a load balancer that knows nothing of TLS in front: {stage.balancer.address}",
    )


def be_one_service(stage: ReplicasStage) -> Sequence[str]:
    """A key made at the first signs at the second; a request_id has one answer, wherever it is asked."""
    first, second = stage.at(0, "backend"), stage.at(1, "backend")
    stage.key = stage.at(0, "admin").keys.create(KEY_ID, wait="published")
    signed = second.signing.sign(KEY_ID, b"once", request_id=(request_id := str(uuid.uuid4())))
    again = first.signing.sign(KEY_ID, b"once", request_id=request_id)
    same = (again.signature, again.log.leaf_hash) == (signed.signature, signed.log.leaf_hash)
    hold(same and again.replayed, "two replicas gave two answers to one request_id")
    stage.findings.one_answer = True
    return (
        f"{short(stage.key.name)} was made at the first replica, and signs at the second",
        "the same request_id at the other replica: the same signature, not a second one",
    )


def get_busy(stage: ReplicasStage) -> Sequence[str]:
    """One after the other, so that connections are spread."""
    from kms.cli.watch import ServiceKeys

    auditor = stage.at(0, "auditor")
    key = auditor.keys.public_key(_SERVICE_KEY).name
    for _ in range(_FOLLOWERS):
        trusted = ServiceKeys(auditor)
        trusted[key]
        stage.followers.append(follower := Follower(stage.balanced("auditor"), trusted))
        follower.wait_until_watching()
    for number in range(_BACKENDS):
        stage.backends.append(
            SteadyBackend(stage.balanced("backend", timeout_seconds=_PATIENCE_SECONDS), number=number)
        )
    _wait_for_signatures(stage, _SIGNED_BEFORE_KILL)
    stage.findings.watchers = len(stage.followers)
    return (f"{_BACKENDS} backends sign and {_FOLLOWERS} back offices watch, each over a connection of its own",)


def kill_one(stage: ReplicasStage) -> Sequence[str]:
    """SIGKILL at work. Callers are not told: the client library asks again, and the balancer finds the other one."""
    server = stage.servers[_KILLED]
    stage.at(0, "backend").signing.sign(KEY_ID, b"before the kill", wait="published")
    checkpoint = stage.at(0, "auditor").log.checkpoint()
    stage.before_kill = checkpoint.verify(stage.log.verifier_keys, stage.log.origin)
    write_file(stage.folder / "before-the-kill.checkpoint", checkpoint.note)
    count = _count(stage)
    killed_at = time.monotonic()
    server.kill()
    _wait_for_signatures(stage, count + _SIGNED_BEFORE_KILL)
    for follower in stage.followers:
        follower.wait_until_watching()
    stage.findings.recovery_seconds = round(_first_after(stage, killed_at) - killed_at, 3)
    return (
        f"SIGKILL for {server.address} while {_BACKENDS} backends were signing",
        f"the next signature that was asked for came {stage.findings.recovery_seconds} s after the kill",
    )


def revoke_at_one(stage: ReplicasStage) -> Sequence[str]:
    """While one replica is down everybody hears of it; the other refuses what it took before, as soon as it is back."""
    stage.findings.restart_seconds = round(stage.servers[_KILLED].start(), 2)
    admin, other = stage.at(0, "admin"), stage.at(_KILLED, "backend")
    doomed = admin.keys.create("doomed").name
    other.signing.sign(doomed, b"before")
    began = time.monotonic()
    event = admin.revocations.revoke(doomed, "KEY_COMPROMISE")
    reason = _refusal(stage, doomed)
    stage.findings.refused_after_ms = round((time.monotonic() - began) * 1000, 1)
    stage.findings.refused_at_other = reason == "KEY_REVOKED"
    latest = max(follower.wait_for(event.name) for follower in stage.followers)
    stage.findings.revocation_latency_ms = round((latest - began) * 1000, 1)
    stage.findings.watchers_moved = sum(follower.has_moved for follower in stage.followers)
    twice = [name for follower in stage.followers for name, times in follower.heard.items() if len(times) > 1]
    hold(not twice, f"a back office was told twice: {twice}")
    return (
        f"the killed replica served again {stage.findings.restart_seconds} s after its restart",
        f"revoked at the first replica; the second refused it {stage.findings.refused_after_ms} ms after: {reason}",
        f"all {len(stage.followers)} back offices had verified it {stage.findings.revocation_latency_ms} ms after that",
        f"{stage.findings.watchers_moved} of them had moved over from the killed replica by themselves",
    )


def _refusal(stage: ReplicasStage, name: str) -> str:
    """The reason; how long it may take until it is refused is held to what is promised."""
    from hallmark_client.errors import FailedPrecondition

    client, deadline = stage.at(_KILLED, "backend"), time.monotonic() + _WITHIN_SECONDS
    while time.monotonic() < deadline:
        try:
            client.signing.sign(name, b"after")
        except FailedPrecondition as refused:
            return refused.reason
    return "not refused"


def count_losses(stage: ReplicasStage) -> Sequence[str]:
    """Every signature that anybody was given, in the public files."""
    from hallmark_tlog.fetch import folder_fetcher
    from hallmark_tlog.merkle import leaf_hash
    from hallmark_tlog.reader import entries

    for backend in stage.backends:
        backend.finish()
    found = stage.findings
    # Everything before it in the log is published with it, and this replica has seen the checkpoint.
    stage.at(0, "backend").signing.sign(KEY_ID, b"the last one", wait="published")
    now = stage.at(0, "auditor").log.checkpoint().verify(stage.log.verifier_keys, stage.log.origin)
    published = {leaf_hash(entry) for entry in entries(folder_fetcher(stage.public), now.size)}
    signed = [each for backend in stage.backends for each in backend.signed]
    failures = [error for backend in stage.backends for error in backend.failures]
    found.signatures, found.failed_calls = len(signed), len(failures)
    found.lost = sum(each.promise.leaf_hash not in published for each in signed)
    found.longest_wait_seconds = round(max(each.answered - each.asked for each in signed), 3)
    hold(not failures, f"{len(failures)} calls failed for their callers: {failures[:1]}")
    hold(found.lost == 0, f"{found.lost} of {len(signed)} acknowledged signatures are not in the log")
    return (
        f"{len(signed)} signatures acknowledged by either replica, {found.lost} lost, {len(failures)} calls failed",
        f"the longest that any caller waited for one was {found.longest_wait_seconds} s",
    )


def audit_log(stage: ReplicasStage) -> Sequence[str]:
    """In another process, with the public files and the verifier keys."""
    write_file(stage.folder / "log.vkey", "".join(f"{line}\n" for line in stage.log.verifier_keys).encode())
    shutil.copytree(stage.public, stage.folder / "copy")
    answer = ask(
        *("log", "verify", "--public", "copy", "--vkey", "log.vkey", "--since", "before-the-kill.checkpoint"),
        folder=stage.folder,
    )
    hold(answer.exit_code == 0, f"the auditor refuses the log: {answer.words}")
    size, earlier = answer.document["size"], answer.document["consistent_from"]
    stage.findings.log_size = size
    stage.findings.inclusion_verified = answer.document["inclusions_verified"] == size > 0
    stage.findings.consistency_verified = earlier == stage.before_kill.size
    return (
        f"one log of both replicas: {answer.document['inclusions_verified']} of {size} entries proved to be included",
        f"the tree of size {earlier}, from before the kill, is its beginning",
    )


def _count(stage: ReplicasStage) -> int:
    return sum(len(backend.signed) for backend in stage.backends)


def _wait_for_signatures(stage: ReplicasStage, count: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while _count(stage) < count:
        failed = [error for backend in stage.backends for error in backend.failures]
        hold(time.monotonic() < deadline, f"the backends could not sign: {failed[:1]}")
        time.sleep(_LOOK_SECONDS)


def _first_after(stage: ReplicasStage, moment: float) -> float:
    """When the first signature came that was asked for after `moment`."""
    return min(each.answered for backend in stage.backends for each in backend.signed if each.asked > moment)
