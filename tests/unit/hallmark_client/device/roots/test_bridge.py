"""A bridge seen from the SDK: what is believed of it, and what happens when it lies, stalls, or is somebody else."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hallmark_client.device.errors import DeviceError, RootLost, RootUnavailable
from hallmark_client.device.model import Enforcement
from hallmark_client.device.roots.bridge import BridgeRoot
from hallmark_client.device.roots.bridge_answers import claim_of
from hallmark_client.device.roots.bridge_attester import BridgeAttester
from hallmark_client.device.roots.bridge_checks import CHECKS, Asking, check
from hallmark_client.device.roots.bridge_conformance import main as conformance
from hallmark_client.device.roots.bridge_frames import BridgeInvalid, parse_answer, parse_body, parse_request, result
from hallmark_client.device.roots.bridge_hostile import HOSTILE
from hallmark_client.device.roots.bridge_reference import ReferenceKey, parse_state, reference_service
from hallmark_client.device.roots.bridge_service import BridgeService
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.device.roots.port import RootPower
from hallmark_client.errors import HallmarkError, VerificationFailed
from hallmark_client.model.devices import Challenge
from hallmark_client.model.enums import ChallengePurpose, DeviceClass, DeviceState, EvidenceFormat
from support.bridges import served, served_reference

KEY = ReferenceKey(bytes(31) + b"\x07")


def claiming_service(assurance: Enforcement = Enforcement.HARDWARE) -> BridgeService:
    """A bridge that says of itself what it likes, over a root that has limits."""
    root = MemoryRoot()
    reference = reference_claim()
    powers = dict.fromkeys(root.facts.powers, assurance)
    return BridgeService(root, replace(reference, assurance=assurance, powers=powers, key=KEY.spki), KEY)


def reference_claim():
    from hallmark_client.device.roots.bridge_answers import BridgeClaim

    return BridgeClaim(
        root="0" * 32,
        assurance=Enforcement.ADVISORY,
        powers={},
        detail="test",
        caveats=("It is a test.",),
        key=b"",
        evidence=EvidenceFormat.SOFTWARE,
    )


def device(**changes):
    """As much of the service's Device as `believe` looks at."""
    verdict = SimpleNamespace(authentic=True, appraised=True)
    facts = {"state": DeviceState.ATTESTED, "device_class": DeviceClass.HARDWARE, "key_spki": KEY.spki}
    return SimpleNamespace(**({"latest_verdict": verdict} | facts | changes))


@pytest.mark.parametrize("name", CHECKS)
def test_the_reference_and_a_bridge_with_limits_keep_every_rule(name: str, tmp_path: Path) -> None:
    with served_reference(tmp_path) as path:
        assert check(Asking(path), name) is None
    with served(tmp_path / "limits", claiming_service().answer) as path:
        assert check(Asking(path), name) is None


def test_a_claim_counts_as_platform_until_the_service_stands_behind_it(tmp_path: Path) -> None:
    with served(tmp_path, claiming_service().answer) as path:
        root = BridgeRoot(path)
        assert root.claim.assurance is Enforcement.HARDWARE
        assert root.facts.assurance is Enforcement.PLATFORM
        assert set(root.facts.powers.values()) == {Enforcement.PLATFORM}
        assert "not proved" in root.facts.caveats[-1]
        for refused in (
            device(state=DeviceState.REVOKED),
            device(device_class=DeviceClass.SOFTWARE),
            device(key_spki=ReferenceKey(bytes(31) + b"\x08").spki),
            device(latest_verdict=SimpleNamespace(authentic=True, appraised=False)),
        ):
            with pytest.raises(VerificationFailed):
                root.believe(refused)
            assert root.facts.assurance is Enforcement.PLATFORM
        assert root.believe(device()).assurance is Enforcement.HARDWARE
        assert root.facts.powers[RootPower.SHRED] is Enforcement.HARDWARE


def test_no_bridge_is_the_service(tmp_path: Path) -> None:
    with served(tmp_path, claiming_service(Enforcement.SERVER).answer) as path:
        assert BridgeRoot(path).believe(device()).assurance is Enforcement.PLATFORM


def test_a_claim_that_its_key_did_not_sign_is_not_believed(tmp_path: Path) -> None:
    service = claiming_service()
    service._key = ReferenceKey(bytes(31) + b"\x08")
    with served(tmp_path, service.answer) as path, pytest.raises(HallmarkError):
        BridgeRoot(path).believe(device())


def test_it_attests_the_device(tmp_path: Path) -> None:
    with served_reference(tmp_path) as path:
        attester = BridgeAttester(BridgeRoot(path))
        assert attester.purpose is ChallengePurpose.SOFTWARE_SEALED
        key = attester.key()
        assert key is not None
        now = datetime.now(UTC)
        challenge = Challenge(
            name="", challenge=bytes(32), expire_time=now, purpose=attester.purpose, key_spki=key.spki
        )
        proof = attester.prove(challenge, key)
        assert proof.evidence.format is EvidenceFormat.SOFTWARE
        assert proof.challenge == bytes(32)
        with pytest.raises(RootUnavailable):
            attester.prove(challenge, KEY)


def test_an_epoch_that_falls_is_a_lost_root(tmp_path: Path) -> None:
    with served_reference(tmp_path) as path:
        old = (tmp_path / "state").read_bytes()
        root = BridgeRoot(path)
        root.advance(2)
        (tmp_path / "state").write_bytes(old)
        with pytest.raises(RootLost):
            root.epoch()


def test_nobody_there_a_folder_open_to_others_another_user(tmp_path: Path) -> None:
    with pytest.raises(RootUnavailable, match="start the app"):
        BridgeRoot(tmp_path / "nothing.sock")
    with served_reference(tmp_path) as path:
        with pytest.raises(RootUnavailable, match="nothing was sent"):
            BridgeRoot(path, uid=os.geteuid() + 1)
        path.parent.chmod(0o755)
        with pytest.raises(RootUnavailable, match="chmod 700"):
            BridgeRoot(path)
        path.parent.chmod(0o700)
        assert BridgeRoot(path).epoch() == 1


def test_a_bridge_that_never_answers_is_left_after_the_time_given(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(RootUnavailable, match="did not answer"):
            BridgeRoot(path, seconds=0.2)


@pytest.mark.parametrize(
    "frame", [b"", b"\0\0", b"\xff\xff\xff\xff", bytes(4), b"\0\0\0\x05{}", b"\0\0\0\x02{}", result({"epoch": 0})]
)
def test_bad_frames_of_a_bridge_are_an_error_of_it(frame: bytes, tmp_path: Path) -> None:
    with served(tmp_path, lambda _: frame) as path, pytest.raises(BridgeInvalid):
        BridgeRoot(path)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_the_protocols_error(data: bytes) -> None:
    for read in (parse_body, parse_answer, parse_request, lambda data: claim_of(parse_body(data))):
        with suppress(DeviceError):
            assert read(data) is not None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 9) | st.text("ab=A", max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["op", "params", "v", "result", "error", "claim", "epoch", "secret", "key"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_object_is_an_answer_or_the_protocols_error(value: object) -> None:
    from hallmark_client.device.roots import bridge_answers as answers

    readers = (answers.claim_of, answers.epoch_of, answers.blob_of, answers.secret_of, answers.evidence_of)
    for read in (*readers, answers.epoch_evidence_of, answers.signature_of):
        try:
            read(value)
        except BridgeInvalid:
            continue


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(HOSTILE.values())), st.integers(0, 60), st.integers(0, 255))
def test_a_service_answers_any_bytes_with_a_frame(tmp_path: Path, frame: bytes, place: int, byte: int) -> None:
    service = reference_service(tmp_path / "state")
    body = bytearray(frame[4:])
    if place < len(body):
        body[place] = byte
    answer = service.answer(bytes(body))
    assert int.from_bytes(answer[:4]) == len(answer) - 4
    parse_body(answer[4:])


@pytest.mark.parametrize("data", [b"", b"{}", b'{"epoch":1}', b"\xff" * 50, b'{"epoch":1,"keys":["AA=="]}'])
def test_a_damaged_state_of_the_reference_is_a_lost_root(data: bytes) -> None:
    with pytest.raises(RootLost):
        parse_state(data)


def test_the_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reference as a process of its own, the checker against it, and against nobody."""
    path = tmp_path / "run" / "bridge.sock"
    command = [sys.executable, "-m", "hallmark_client.device.roots.bridge_reference", "--socket", str(path)]
    reference = subprocess.Popen([*command, "--state", str(tmp_path / "state")], stdout=subprocess.PIPE)
    try:
        assert reference.stdout is not None
        assert b"software keys" in reference.stdout.readline()
        assert conformance([str(path), "--json"]) == 0
        second = subprocess.run([*command, "--state", str(tmp_path / "other")], capture_output=True, check=False)
        assert second.returncode == 1
        assert b"already" in second.stderr
        assert b"Traceback" not in second.stderr
    finally:
        reference.terminate()
        assert reference.wait(10) == 0
        reference.stdout.close()
    assert not path.exists()
    assert conformance([str(path)]) == 1
    assert '"holds": true' in capsys.readouterr().out


def test_the_checker_finds_what_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service = reference_service(tmp_path / "state")
    service._root._aad = lambda epoch, label: b""  # binds blobs to nothing
    with served(tmp_path, service.answer) as path:
        assert conformance([str(path)]) == 1
    assert "FAIL  binding: another label" in capsys.readouterr().out


def test_several_callers_at_once(tmp_path: Path) -> None:
    with served_reference(tmp_path) as path:
        roots = [BridgeRoot(path) for _ in range(4)]
        seen: list[int] = []
        threads = [
            threading.Thread(target=lambda root=root: seen.extend(root.epoch() for _ in range(20))) for root in roots
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [1] * 80
