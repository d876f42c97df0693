"""Every format through the service: what the catalogue says is good is appraised, and judged the same when replayed."""

import uuid
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from attestation.digests import canonical_json
from attestation.model import Format
from attestation.restore import archived_intel, references
from attestation.testing.catalogue import FACTORIES
from attestation.testing.variant import Good
from hallmark.v1 import devices_pb2
from kms.core.names import ChildName
from kms.devices import challenge_store
from kms.devices.evidence_wire import FORMATS
from kms.devices.model import Challenge, ChallengePurpose
from support.clock import START
from unit.kms.devices.bench import DeviceBench, devices_running
from unit.kms.revocation.bench import caller

_PURPOSES = {
    Format.SOFTWARE: ChallengePurpose.SOFTWARE_SEALED,
    Format.APPLE_APP_ASSERTION: ChallengePurpose.ASSERTION,
}


async def attest_case(bench: DeviceBench, good: Good) -> devices_pb2.AttestDeviceResponse:
    """Gives out the very challenge that the case was made for."""
    case = good.case
    bench.status.anchors, bench.status.collateral, bench.policies.policy = case.anchors, case.collateral, case.policy
    challenge = Challenge(
        name=ChildName("default", "challenges", str(uuid.uuid4())),
        value=case.expectation.challenge,
        expire_time=START + timedelta(minutes=5),
        purpose=_PURPOSES.get(case.evidence.format, ChallengePurpose.FIRST_BOOT),
    )
    who = caller().spiffe_id
    await bench.service.database.write(lambda tx: challenge_store.insert_challenge(tx, challenge, caller=who))
    parts = [devices_pb2.EvidencePart(name=part.name, data=part.data) for part in case.evidence.parts]
    request = devices_pb2.AttestDeviceRequest(
        challenge=str(challenge.name),
        evidence=devices_pb2.Evidence(format=FORMATS[case.evidence.format], parts=parts),
        key_spki=case.expectation.key_spki or b"",
        purpose=getattr(devices_pb2, f"CHALLENGE_PURPOSE_{challenge.purpose.name}"),
        request_id=str(uuid.uuid4()),
    )
    return await bench.attest(request)


def test_every_format_has_a_number_on_the_wire() -> None:
    assert set(FORMATS) == set(Format)
    assert len(set(FORMATS.values())) == len(FORMATS)


@pytest.mark.parametrize("form", sorted(FACTORIES))
async def test_good_evidence_is_appraised(tmp_path: Path, form: Format) -> None:
    async with devices_running(tmp_path) as bench:
        for good in FACTORIES[form].good(START):
            response = await attest_case(bench, good)
            verdict = response.verdict
            assert verdict.authentic, (good.name, verdict)
            assert response.HasField("device") <= verdict.appraised
            if verdict.appraised:
                assert not verdict.reasons
            else:
                by_software = "self" in good.name or "software" in good.name
                expected = {"PROVISIONING_MISMATCH"} if by_software else {"DEVICE_UNKNOWN", "EVIDENCE_INCOMPLETE"}
                assert verdict.reasons[0] in expected, (good.name, verdict)
            assert response.result.jwt.count(".") == 2
            if response.HasField("device"):
                software = form is Format.SOFTWARE
                assert response.device.device_class == (1 if software else 2), good.name


@pytest.mark.parametrize("form", sorted(FACTORIES))
async def test_it_is_judged_the_same_when_replayed(tmp_path: Path, form: Format) -> None:
    async with devices_running(tmp_path) as bench:
        good = next(iter(FACTORIES[form].good(START)))
        pieces = {digest for _, digest in references(type(good.case.collateral), _plain(good))}
        intel = good.case.collateral.intel
        if intel is not None:
            bench.status.archive[intel.sha256] = archived_intel(intel)
        if pieces - bench.status.archive.keys():
            pytest.skip("the factory keeps no raw bytes of its CRLs")
        response = await attest_case(bench, good)
        name = ChildName.parse(response.verdict.name, "verdicts")
        bench.policies.policy = replace(bench.policies.policy, name="another")
        bench.service.clock.advance(86400 * 400)
        replay = await bench.reader.replay(name)
        assert replay.differences == ()
        assert replay.replayed.authentic


def _plain(good: Good) -> object:
    import json

    return json.loads(canonical_json(good.case.collateral))


async def test_a_cmw_says_itself_what_it_holds(tmp_path: Path) -> None:
    async with devices_running(tmp_path) as bench:
        challenge = await bench.challenge()
        chain = bench.phone.attest(challenge.challenge).named("certificate")
        detected = devices_pb2.AttestDeviceRequest(
            challenge=challenge.name, evidence=devices_pb2.Evidence(certificates=chain), request_id=str(uuid.uuid4())
        )
        response = await bench.attest(detected)
        assert response.verdict.appraised
        assert response.verdict.format == devices_pb2.EVIDENCE_FORMAT_ANDROID_KEY
        assert response.verdict.input_sha256["evidence"] != sha256(b"").hexdigest()
