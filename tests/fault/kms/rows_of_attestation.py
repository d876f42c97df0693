"""Rows of the table of writes: appraisal policies, collateral and anchors, counters of devices, re-appraisal."""

import hashlib
from typing import Any, Final

from attestation.formats import apple_app_assertion
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.x509 import parse_certificate
from fault.kms.write_table import REQUEST_ID, Row
from hallmark.v1 import collateral_pb2, devices_pb2
from kms.approvals.model import ApprovalPolicy, ProposedAct
from kms.collateral.model import CollateralKind
from kms.collateral.service import Offer
from kms.consent.removal_port import NobodyBlocked
from kms.devices.reappraiser import Reappraiser
from kms.revocation.assurance import AssuranceService
from support.clock import START
from unit.kms.appraisal.bench import NEW_PATCHES, PARENT, AppraisalBench, appraisal_running
from unit.kms.collateral.bench import EMPTY_LIST, CollateralBench, collateral_running
from unit.kms.devices.bench import DeviceBench, devices_running
from unit.kms.devices.test_purposes import ASSERTION, attest_request, enrolled_app
from unit.kms.devices.test_reappraiser import World, reappraiser_running

AMD = collateral_pb2.COLLATERAL_KIND_AMD_CRL
STATUS = collateral_pb2.COLLATERAL_KIND_ANDROID_STATUS
ANCHOR_KEY: Final = spki_of(new_key(KeyKind.EC_P256))

# Appraisal policies


async def _nothing_newer(_owner: str) -> None:
    """Nobody else changes anything here."""


async def _heard(bench: AppraisalBench) -> None:
    """Whoever judges stored evidence again hears of policies, in their transaction."""
    service = bench.devices.service
    bench.appraisal.listener = Reappraiser(
        database=service.database,
        clock=service.clock,
        reappraisal=bench.devices.reappraisal,
        assurance=AssuranceService(service.revocations, NobodyBlocked()),
        refresh=_nothing_newer,
    )


async def _with_a_policy(bench: AppraisalBench) -> str:
    await _heard(bench)
    return (await bench.set()).policy.name


async def _with_another_in_force(bench: AppraisalBench) -> str:
    await bench.activate(await _with_a_policy(bench))
    return (await bench.set(NEW_PATCHES)).policy.name


async def _set_policy(bench: AppraisalBench, _: Any, database: Any, _attempt: int) -> None:
    bench.appraisal.database = database
    assert (await bench.set(request_id=REQUEST_ID)).policy.name == f"{PARENT}/policies/1"


async def _activate_policy(bench: AppraisalBench, name: str, database: Any, _attempt: int) -> None:
    bench.appraisal.database = database
    await bench.activate(name, request_id=REQUEST_ID)
    assert (await bench.get()).name == name


def _of_policies(run: Any, prepare: Any) -> Row:
    return Row(world=appraisal_running, run=run, prepare=prepare, database=lambda bench: bench.devices.service.database)


# Collateral and anchors


async def _put(bench: CollateralBench, _: Any, database: Any, _attempt: int) -> None:
    bench.collateral.database = database
    put = await bench.put(AMD, bench.crl(days=1), request_id=REQUEST_ID)
    assert [piece.name for piece in (await bench.list_all()).collateral] == [put.collateral.name], "it is in force"


async def _with_an_older_list(bench: CollateralBench) -> None:
    await bench.put(AMD, bench.crl())


async def _with_the_same_list(bench: CollateralBench) -> None:
    await bench.put(AMD, bench.crl(days=1))


async def _with_an_approved_list(bench: CollateralBench) -> str:
    bench.approvals.policy = ApprovalPolicy({ProposedAct.TRUST_ROOT_CHANGE: 1})
    return await bench.approved(f"{PARENT}/collateral/android-status", hashlib.sha256(EMPTY_LIST).digest())


async def _put_approved(bench: CollateralBench, proposal: str, database: Any, _attempt: int) -> None:
    bench.collateral.database = database
    await bench.put(STATUS, EMPTY_LIST, proposal=proposal, request_id=REQUEST_ID)
    assert len((await bench.list_all()).collateral) == 1


async def _take_in(bench: CollateralBench, _: Any, database: Any, _attempt: int) -> None:
    bench.collateral.database = database
    offer = Offer(kind=CollateralKind.AMD_CRL, data=bench.crl(days=1), source="milan.crl", fetched_at=START)
    await bench.collateral.take_in(offer, now=START)
    assert len((await bench.list_all()).collateral) == 1


async def _with_a_list_to_remove(bench: CollateralBench) -> str:
    return (await bench.put(AMD, bench.crl())).collateral.name


async def _remove(bench: CollateralBench, name: str, database: Any, _attempt: int) -> None:
    bench.collateral.database = database
    await bench.remove(name, request_id=REQUEST_ID)
    assert not (await bench.list_all()).collateral


async def _add_anchor(bench: CollateralBench, _: Any, database: Any, _attempt: int) -> str:
    bench.anchors.database = database
    anchor = collateral_pb2.Anchor(display_name="x", spki=ANCHOR_KEY, formats=[devices_pb2.EVIDENCE_FORMAT_TPM])
    added = (await bench.add_anchor(anchor, request_id=REQUEST_ID)).anchor
    assert added.name in {found.name for found in await bench.list_anchors()}
    return added.name


async def _with_an_anchor(bench: CollateralBench) -> str:
    anchor = collateral_pb2.Anchor(display_name="x", spki=ANCHOR_KEY, formats=[devices_pb2.EVIDENCE_FORMAT_TPM])
    return (await bench.add_anchor(anchor)).anchor.name


async def _remove_anchor(bench: CollateralBench, name: str, database: Any, _attempt: int) -> None:
    bench.anchors.database = database
    await bench.remove_anchor(name, request_id=REQUEST_ID)
    assert name not in {found.name for found in await bench.list_anchors()}


def _of_collateral(run: Any, prepare: Any = None) -> Row:
    return Row(world=collateral_running, run=run, prepare=prepare, database=lambda bench: bench.service.database)


# Devices that were seen before


async def _with_an_assertion(bench: DeviceBench) -> tuple[Any, str]:
    app, device = await enrolled_app(bench)
    challenge = await bench.challenge(purpose=ASSERTION)
    assertion = apple_app_assertion.evidence(app.app.sign(challenge.challenge, counter=5))
    return attest_request(challenge, assertion, purpose=ASSERTION, key_spki=app.app.spki), device.name


async def _assert_again(bench: DeviceBench, prepared: tuple[Any, str], database: Any, _attempt: int) -> None:
    request, device = prepared
    bench.devices.database = database
    assert (await bench.attest(request)).verdict.appraised
    assert (await bench.get(device)).counter == 5


async def _with_a_second_attestation(bench: DeviceBench) -> Any:
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge)
    await bench.attest(bench.request(challenge, key.evidence, key_spki=key.spki))
    again = await bench.same_challenge(challenge.challenge)
    return bench.request(again, key.evidence, key_spki=key.spki)


async def _attest_again(bench: DeviceBench, request: Any, database: Any, _attempt: int) -> None:
    bench.devices.database = database
    assert (await bench.attest(request)).device.latest_verdict.appraised


def _on_the_bench(run: Any, prepare: Any) -> Row:
    return Row(world=devices_running, run=run, prepare=prepare, database=lambda bench: bench.service.database)


async def _with_keys_of_the_maker_revoked(world: World) -> str:
    """What follows from it is still to be done."""
    _, device = await world.bench.enrol()
    await world.reappraiser.catch_up()
    world.bench.service.clock.advance(60)
    await world.publish(parse_certificate(world.bench.phone.attester.chain[0]).serial)
    return device.name


async def _reappraise(world: World, device: str, database: Any, _attempt: int) -> None:
    """Verdict and note, event and the note's end, progress: each of them may be cut off."""
    service = world.bench.service
    world.reappraiser.database = world.bench.reappraisal.database = service.revocations.events.database = database
    await world.reappraiser.catch_up()
    assert list((await world.bench.get(device)).latest_verdict.reasons) == ["REVOKED"]
    assert [event.subject for event in await world.events()] == [device], "told once"


ROWS: Final[dict[str, Row]] = {
    "SetPolicy": _of_policies(_set_policy, _heard),
    "ActivatePolicy": _of_policies(_activate_policy, _with_a_policy),
    "ActivatePolicy in place of another": _of_policies(_activate_policy, _with_another_in_force),
    "PutCollateral": _of_collateral(_put),
    "PutCollateral in place of another": _of_collateral(_put, _with_an_older_list),
    "PutCollateral of the same bytes": _of_collateral(_put, _with_the_same_list),
    "PutCollateral that was approved": _of_collateral(_put_approved, _with_an_approved_list),
    "collateral of the operator": _of_collateral(_take_in),
    "RemoveCollateral": _of_collateral(_remove, _with_a_list_to_remove),
    "AddAnchor": _of_collateral(_add_anchor),
    "RemoveAnchor": _of_collateral(_remove_anchor, _with_an_anchor),
    "AttestDevice with an assertion": _on_the_bench(_assert_again, _with_an_assertion),
    "AttestDevice again": _on_the_bench(_attest_again, _with_a_second_attestation),
    "re-appraisal": Row(
        world=reappraiser_running,
        run=_reappraise,
        prepare=_with_keys_of_the_maker_revoked,
        database=lambda world: world.bench.service.database,
    ),
}
