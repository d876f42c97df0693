"""Grade A2: a TPM that certifies its counter, and fresh evidence over the receipt."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from attestation.model import Anchors
from attestation.testing.tpm_wire import APP_KEY_ATTRIBUTES
from attestation.testing.virtual_tpm import VirtualTpm, VirtualTpmMaker
from attestation.tpm_nv import ATTEST_NV, NV_CERTIFY, NV_PUBLIC, NV_SIGNATURE
from hallmark.v1 import devices_pb2, removal_pb2
from hallmark_client import Evidence, EvidenceFormat
from kms.core.errors import FailedPrecondition, InvalidArgument, Reason
from kms.core.names import ChildName
from kms.removal.model import Removal
from support.clock import START
from support.tpm_flow import activation, bare_quote, keys_message
from unit.attestation.test_tpm_nv import certify_info, count, nv_public
from unit.kms.devices.test_purposes import attest_request
from unit.kms.removal.bench import RemovalBench
from unit.kms.revocation.bench import TENANT


@pytest.fixture
def tpm(bench: RemovalBench) -> VirtualTpm:
    maker = VirtualTpmMaker.create(now=START)
    bench.base.status.anchors = Anchors((*bench.base.vendor.anchors.items, *maker.anchors("ek", "ak").items))
    return VirtualTpm.create(maker)


@pytest.fixture
async def device(bench: RemovalBench, tpm: VirtualTpm) -> ChildName:
    """An AK that enrolled by an activated credential."""
    request = devices_pb2.CreateChallengeRequest(
        parent=f"tenants/{TENANT}", tpm=keys_message(tpm), request_id="6b1f6a0e-58cf-4d0a-9a8e-3f4f6f0c1d11"
    )
    challenge = await bench.base.servicer.CreateChallenge(request, bench.call("CreateChallenge"))
    evidence = activation(tpm, challenge.tpm_credential, now=START)
    answer = await bench.base.attest(attest_request(challenge, evidence))
    assert answer.HasField("device"), answer.verdict
    return ChildName.parse(answer.device.name, "devices")


@pytest.fixture
async def removal(bench: RemovalBench, device: ChildName) -> Removal:
    return await bench.withdraw(device)


def parts_of(tpm: VirtualTpm, challenge: bytes, value: int, *, public: bytes | None = None) -> dict[str, bytes]:
    described = public or nv_public()
    message, signature = tpm.state(ATTEST_NV, certify_info(described, count(value)), challenge)
    return {NV_CERTIFY: message, NV_SIGNATURE: signature, NV_PUBLIC: described}


def as_evidence(parts: Mapping[str, bytes]) -> Evidence:
    return Evidence(format=EvidenceFormat.TPM, parts=tuple(parts.items()))


async def submit(bench: RemovalBench, removal: Removal, tpm: VirtualTpm, **changes: bytes | None) -> str:
    """With parts changed or left out; gives the grade."""

    def evidence(challenge: bytes) -> Evidence:
        parts = {name.replace("-", "_"): data for name, data in parts_of(tpm, challenge, 5).items()}
        merged = {name: data for name, data in {**parts, **changes}.items() if data is not None}
        return as_evidence({name.replace("_", "-"): data for name, data in merged.items()})

    answer = await bench.submit(removal, await bench.receipt(removal, evidence=evidence))
    return removal_pb2.ReceiptGrade.Name(answer.removal.grade)


async def test_a_certified_counter_is_a2(bench: RemovalBench, removal: Removal, tpm: VirtualTpm) -> None:
    assert await submit(bench, removal, tpm) == "RECEIPT_GRADE_A2"
    (entry,) = await bench.logged("removal.completed")
    kept = await bench.parts.servicer.reader.get(removal.name)
    assert kept.receipt is not None
    assert entry["details"]["evidence_sha256"] == hashlib.sha256(kept.receipt.evidence).hexdigest()


async def test_a2_comes_after_a0(bench: RemovalBench, removal: Removal, tpm: VirtualTpm) -> None:
    await bench.submit(removal, await bench.receipt(removal))
    assert await submit(bench, removal, tpm) == "RECEIPT_GRADE_A2"
    with pytest.raises(FailedPrecondition):
        await bench.submit(removal, await bench.receipt(removal))
    assert (await bench.removal(removal.name)).grade == "A2"


FORGED: dict[str, Callable[[VirtualTpm, bytes], dict[str, bytes]]] = {
    "CHALLENGE_MISMATCH": lambda tpm, _: parts_of(tpm, bytes(32), 5),
    "stands at 6": lambda tpm, challenge: parts_of(tpm, challenge, 6),
    "stands at 4": lambda tpm, challenge: parts_of(tpm, challenge, 4),
    "BINDING_MISMATCH": lambda tpm, challenge: parts_of(tpm, challenge, 5, public=nv_public(1 << 29)),
    "BAD_SIGNATURE": lambda tpm, challenge: parts_of(VirtualTpm.create(tpm.maker), challenge, 5),
    "MALFORMED": lambda tpm, challenge: {**parts_of(tpm, challenge, 5), NV_CERTIFY: bytes.fromhex("ff544347")},
    "TPM signature is cut short": lambda tpm, challenge: {**parts_of(tpm, challenge, 5), NV_SIGNATURE: b""},
}


async def test_what_the_tpm_did_not_say_is_refused(bench: RemovalBench, removal: Removal, tpm: VirtualTpm) -> None:
    for why, forge in FORGED.items():
        receipt = await bench.receipt(
            removal, evidence=lambda challenge, forge=forge: as_evidence(forge(tpm, challenge))
        )
        with pytest.raises(FailedPrecondition, match=why) as refused:
            await bench.submit(removal, receipt)
        assert refused.value.reason is Reason.VERDICT_REFUSED
        assert await bench.removal(removal.name) == removal
    assert await submit(bench, removal, tpm) == "RECEIPT_GRADE_A2", "nothing was lost"


async def test_parts_come_all_together_and_alone(bench: RemovalBench, removal: Removal, tpm: VirtualTpm) -> None:
    for changes in ({"nv_public": None}, {"nv_signature": None}, {"ak_public": tpm.ak_public}):
        with pytest.raises(InvalidArgument, match="exactly the parts"):
            await submit(bench, removal, tpm, **changes)


async def test_a_device_that_is_no_tpm_has_no_counter(bench: RemovalBench, tpm: VirtualTpm) -> None:
    phone = await bench.withdraw((await bench.enrol()).name)
    with pytest.raises(FailedPrecondition, match="did not enrol with the attestation key of a TPM"):
        await submit(bench, phone, tpm)


async def test_a_key_that_signs_anything_certifies_nothing(
    bench: RemovalBench, removal: Removal, tpm: VirtualTpm
) -> None:
    """The public area counts that the device enrolled with, not one that says other things of the same key."""
    unrestricted = tpm.with_ak(attributes=APP_KEY_ATTRIBUTES)
    assert await submit(bench, removal, unrestricted) == "RECEIPT_GRADE_A2", "the key itself is the enrolled one"


async def test_a_fresh_quote_over_the_receipt_is_a2(bench: RemovalBench, removal: Removal, tpm: VirtualTpm) -> None:
    def evidence(challenge: bytes) -> Evidence:
        quoted = bare_quote(tpm, challenge)
        return Evidence(format=EvidenceFormat.TPM, parts=tuple((part.name, part.data) for part in quoted.parts))

    answer = await bench.submit(removal, await bench.receipt(removal, evidence=evidence))
    assert answer.removal.grade == removal_pb2.RECEIPT_GRADE_A2


async def test_a_quote_over_something_else_or_of_another_tpm_is_refused(
    bench: RemovalBench, removal: Removal, tpm: VirtualTpm
) -> None:
    other = VirtualTpm.create(tpm.maker)

    def quote_of(chip: VirtualTpm, challenge: bytes) -> Evidence:
        quoted = chip.attest(chip.quote(challenge), now=START)
        return Evidence(format=EvidenceFormat.TPM, parts=tuple((part.name, part.data) for part in quoted.parts))

    for make in (lambda _: quote_of(tpm, bytes(32)), lambda challenge: quote_of(other, challenge)):
        with pytest.raises(FailedPrecondition) as refused:
            await bench.submit(removal, await bench.receipt(removal, evidence=make))
        assert refused.value.reason is Reason.VERDICT_REFUSED
    assert await bench.removal(removal.name) == removal


async def test_evidence_of_a_phone_about_another_key_is_refused(bench: RemovalBench) -> None:
    """An Android key is attested when it is made: what the phone attests now is another key."""
    holder = await bench.enrol()
    removal = await bench.withdraw(holder.name)

    def evidence(challenge: bytes) -> Evidence:
        key = bench.base.phone.generate_key(challenge)
        return Evidence(format=EvidenceFormat.ANDROID_KEY, certificates=tuple(part.data for part in key.evidence.parts))

    with pytest.raises(FailedPrecondition, match="KEY_MISMATCH"):
        await bench.submit(removal, await bench.receipt(removal, sign=holder.sign, evidence=evidence))
    good = await bench.receipt(removal, sign=holder.sign)
    assert (await bench.submit(removal, replace(good, evidence=None))).removal.grade == removal_pb2.RECEIPT_GRADE_A1
