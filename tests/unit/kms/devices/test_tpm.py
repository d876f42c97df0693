"""An AK enrols by opening a credential made for it, and is believed from then on, as long as that is."""

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.formats import tpm_parts
from attestation.formats.tpm_parts import tpm_evidence
from attestation.model import Anchors, Evidence
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.testing.tpm_wire import name_of
from attestation.testing.virtual_tpm import VirtualTpm, VirtualTpmMaker, rsa_key
from attestation.tpm_credential import LOW_RANGE, P384_HIGH_RANGE
from hallmark.v1 import devices_pb2 as pb
from kms.core.errors import InvalidArgument
from kms.core.names import ChildName
from kms.devices.tpm import read_tpm_keys
from support.clock import START
from support.tpm_flow import activation, activation_parts, bare_quote, keys_message, opened
from unit.kms.devices.bench import DeviceBench
from unit.kms.devices.test_purposes import attest_request
from unit.kms.revocation.bench import TENANT

MAKER = VirtualTpmMaker.create(now=START)


@pytest.fixture
def tpm(bench: DeviceBench) -> VirtualTpm:
    """Whose maker's anchor is for endorsement keys only."""
    bench.status.anchors = MAKER.anchors("ek")
    return VirtualTpm.create(MAKER)


async def asked(bench: DeviceBench, tpm: VirtualTpm, **fields: Any) -> pb.Challenge:
    keys = fields.pop("keys", None) or keys_message(tpm)
    fields = {"parent": f"tenants/{TENANT}", "request_id": str(uuid.uuid4()), **fields}
    request = pb.CreateChallengeRequest(tpm=keys, **fields)
    return await bench.servicer.CreateChallenge(request, bench.service.call("CreateChallenge"))


async def activated(bench: DeviceBench, tpm: VirtualTpm) -> pb.AttestDeviceResponse:
    challenge = await asked(bench, tpm)
    return await bench.attest(attest_request(challenge, activation(tpm, challenge.tpm_credential, now=START)))


async def stated(bench: DeviceBench, evidence_over: Any, **who: Any) -> pb.AttestDeviceResponse:
    challenge = await bench.challenge(**who)
    return await bench.attest(attest_request(challenge, evidence_over(challenge.challenge)), **who)


async def test_an_opened_credential_enrols_the_ak(bench: DeviceBench, tpm: VirtualTpm) -> None:
    challenge = await asked(bench, tpm)
    assert challenge.challenge == b"", "it is inside the credential"
    assert challenge.key_spki == spki_of(tpm.ak)
    evidence = activation(tpm, challenge.tpm_credential, now=START)
    answer = await bench.attest(attest_request(challenge, evidence))
    assert answer.verdict.appraised, answer.verdict
    assert answer.device.key_spki == spki_of(tpm.ak)
    assert answer.device.device_class == pb.DEVICE_CLASS_HARDWARE
    assert answer.verdict.claims["vendor"]["ak_name"] == name_of(tpm.ak_public).hex()
    replay = await bench.reader.replay(ChildName.parse(answer.verdict.name, "verdicts"))
    assert replay.differences == ()


async def test_a_certificate_alone_names_the_ek(bench: DeviceBench) -> None:
    bench.status.anchors = MAKER.anchors("ek")
    for tpm in (VirtualTpm.create(MAKER), VirtualTpm.create(MAKER, ek=rsa_key())):
        keys = pb.TpmKeys(ek_certificates=[tpm.ek_certificate(now=START)], ak_public=tpm.ak_public)
        challenge = await asked(bench, tpm, keys=keys)
        answer = await bench.attest(attest_request(challenge, activation(tpm, challenge.tpm_credential, now=START)))
        assert answer.verdict.appraised, answer.verdict


async def test_its_later_quotes_need_no_certificate_but_only_in_its_tenant(bench: DeviceBench, tpm: VirtualTpm) -> None:
    def quoted(value: bytes) -> Evidence:
        return bare_quote(tpm, value)

    before = await stated(bench, quoted)
    assert list(before.verdict.reasons) == ["UNTRUSTED_AK"]
    device = (await activated(bench, tpm)).device
    after = await stated(bench, quoted)
    assert after.verdict.appraised, after.verdict
    assert "ENROLLED_KEY" in after.verdict.not_checked
    assert after.device.name == device.name
    assert (await stated(bench, quoted)).verdict.appraised, "a quote takes nothing back"
    elsewhere = await stated(bench, quoted, tenant="other")
    assert list(elsewhere.verdict.reasons) == ["UNTRUSTED_AK"]
    again = VirtualTpm.create(MAKER, ek=tpm.ek, ak=tpm.ak).with_ak(attributes=tpm.ak_fields.attributes | 1 << 10)
    other_area = await stated(bench, lambda value: bare_quote(again, value))
    assert list(other_area.verdict.reasons) == ["UNTRUSTED_AK"], "the name fixes the attributes"


async def test_keys_that_it_certifies_enrol_too_until_it_is_revoked(bench: DeviceBench, tpm: VirtualTpm) -> None:
    ak = (await activated(bench, tpm)).device
    app = new_key(KeyKind.EC_P256)

    def certified(value: bytes) -> Evidence:
        return tpm_evidence(tpm.certify(app, value))

    answer = await stated(bench, certified)
    assert answer.verdict.appraised, answer.verdict
    assert answer.device.key_spki == spki_of(app)
    await bench.service.revoke(ak.name)
    assert list((await stated(bench, certified)).verdict.reasons) == ["UNTRUSTED_AK"]
    assert list((await stated(bench, lambda value: bare_quote(tpm, value))).verdict.reasons) == ["UNTRUSTED_AK"]


async def test_an_ak_revoked_between_judgement_and_commit_enrols_nothing(bench: DeviceBench, tpm: VirtualTpm) -> None:
    ak = (await activated(bench, tpm)).device
    sign, results = bench.devices.results.sign, bench.devices.results

    class OtherReplica:
        async def sign(self, *arguments: Any, **named: Any) -> Any:
            bench.devices.results = results
            await bench.service.revoke(ak.name)
            return await sign(*arguments, **named)

    bench.devices.results = OtherReplica()  # type: ignore[assignment]
    answer = await stated(bench, lambda value: tpm_evidence(tpm.certify(new_key(KeyKind.EC_P256), value)))
    assert list(answer.verdict.reasons) == ["UNTRUSTED_AK"]
    assert not answer.HasField("device")


async def test_what_is_not_the_credential_that_was_made(bench: DeviceBench, tpm: VirtualTpm) -> None:
    """Each with one thing wrong; nobody is enrolled."""
    other = VirtualTpm.create(MAKER)

    async def reasons(change: Any) -> list[str]:
        challenge = await asked(bench, tpm)
        message = challenge.tpm_credential
        parts = activation_parts(tpm, message, opened(tpm, message), now=START)
        answer = await bench.attest(attest_request(challenge, tpm_evidence({**parts, **change(parts)})))
        assert not answer.HasField("device")
        return list(answer.verdict.reasons)

    def flipped(name: str, at: int) -> Any:
        return lambda parts: {name: parts[name][:at] + bytes([parts[name][at] ^ 1]) + parts[name][at + 1 :]}

    assert await reasons(flipped(tpm_parts.ID_OBJECT, 10)) == ["BINDING_MISMATCH"]
    assert await reasons(flipped(tpm_parts.ACTIVATED_SECRET, 0)) == ["CHALLENGE_MISMATCH"]
    own_ak = await reasons(lambda _: {tpm_parts.AK_PUBLIC: other.ak_public})
    assert own_ak == ["NAME_MISMATCH", "KEY_MISMATCH"]
    genuine_ek = {tpm_parts.EK_PUBLIC: other.ek_public, tpm_parts.EK_CERTIFICATE: other.ek_certificate(now=START)}
    assert await reasons(lambda _: genuine_ek) == ["BINDING_MISMATCH"]


async def test_a_credential_is_for_its_own_challenge_only(bench: DeviceBench, tpm: VirtualTpm) -> None:
    first, second, plain = await asked(bench, tpm), await asked(bench, tpm), await bench.challenge()
    evidence = activation(tpm, first.tpm_credential, now=START)
    crossed = await bench.attest(attest_request(second, evidence))
    assert set(crossed.verdict.reasons) == {"BINDING_MISMATCH", "CHALLENGE_MISMATCH"}
    unmade = await bench.attest(attest_request(plain, evidence))
    assert unmade.verdict.reasons[0] == "COLLATERAL_MISSING"
    assert (await bench.attest(attest_request(first, evidence))).verdict.appraised


async def test_an_ek_that_nobody_vouches_for_enrols_nothing(bench: DeviceBench, tpm: VirtualTpm) -> None:
    bench.status.anchors = Anchors(())
    answer = await activated(bench, tpm)
    assert list(answer.verdict.reasons) == ["UNTRUSTED_ROOT"]
    assert not answer.HasField("device")
    assert list((await stated(bench, lambda value: bare_quote(tpm, value))).verdict.reasons) == ["UNTRUSTED_AK"]


async def test_a_retry_gets_the_same_credential_and_the_secret_stands_in_one_place(
    bench: DeviceBench, tpm: VirtualTpm
) -> None:
    request_id = str(uuid.uuid4())
    challenge = await asked(bench, tpm, request_id=request_id)
    assert await asked(bench, tpm, request_id=request_id) == challenge
    secret = opened(tpm, challenge.tpm_credential)

    def places(tx: sa.Connection) -> list[str]:
        found = []
        for table in sa.inspect(tx).get_table_names():
            for row in tx.execute(sa.text(f'SELECT * FROM "{table}"')).mappings():
                held = (str(key) for key, value in row.items() if isinstance(value, bytes) and secret in value)
                found += [f"{table}.{key}" for key in held]
        return found

    assert await bench.service.database.read(places) == ["attestation_challenge.value"]


async def test_when_the_ek_is_believed_no_more_the_ak_is_not_either(bench: DeviceBench, tpm: VirtualTpm) -> None:
    device = (await activated(bench, tpm)).device
    name, now = ChildName.parse(device.name, "devices"), bench.service.clock.now()
    assert await bench.reappraisal.reappraise(name, now=now) is None, "nothing has changed"
    anchors, bench.status.anchors = bench.status.anchors, Anchors(())
    lost = await bench.reappraisal.reappraise(name, now=now)
    assert lost is not None
    assert lost.after.reasons == ("UNTRUSTED_ROOT",)
    assert list((await stated(bench, lambda value: bare_quote(tpm, value))).verdict.reasons) == ["UNTRUSTED_AK"]
    bench.status.anchors = anchors
    back = await bench.reappraisal.reappraise(name, now=now)
    assert back is not None
    assert back.after.appraised


async def test_a_quote_is_lost_with_the_ek_behind_its_ak(bench: DeviceBench, tpm: VirtualTpm) -> None:
    await activated(bench, tpm)
    device = (await stated(bench, lambda value: bare_quote(tpm, value))).device
    name, now = ChildName.parse(device.name, "devices"), bench.service.clock.now()
    assert await bench.reappraisal.reappraise(name, now=now) is None
    bench.status.anchors = Anchors(())
    lost = await bench.reappraisal.reappraise(name, now=now)
    assert lost is not None
    assert lost.after.reasons == ("UNTRUSTED_AK",)


async def test_an_ek_certificate_that_has_expired_since_takes_nothing_back(bench: DeviceBench, tpm: VirtualTpm) -> None:
    device = (await activated(bench, tpm)).device
    bench.service.clock.advance(timedelta(days=400).total_seconds())
    name, now = ChildName.parse(device.name, "devices"), bench.service.clock.now()
    assert await bench.reappraisal.reappraise(name, now=now) is None
    assert (await stated(bench, lambda value: bare_quote(tpm, value))).verdict.appraised


async def test_the_key_of_the_challenge_is_the_ak(bench: DeviceBench, tpm: VirtualTpm) -> None:
    assert (await asked(bench, tpm, key_spki=spki_of(tpm.ak))).key_spki == spki_of(tpm.ak)
    with pytest.raises(InvalidArgument) as refused:
        await asked(bench, tpm, key_spki=spki_of(tpm.ek))
    assert refused.value.field == "key_spki"


def _keys(**changes: Any) -> dict[str, Any]:
    tpm = VirtualTpm.create(MAKER)
    return {"ek_certificates": (), "ek_public": tpm.ek_public, "ak_public": tpm.ak_public, **changes}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ak_public": b""}, "tpm.ak_public"),
        ({"ak_public": b"\x00\x23nonsense"}, "tpm.ak_public"),
        ({"ek_public": b""}, "tpm.ek_public"),
        ({"ek_public": b"x" * 4096}, "tpm.ek_public"),
        ({"ek_public": VirtualTpm.create(MAKER).ak_public}, "tpm.ek_public"),
        ({"ek_certificates": (b"none",)}, "tpm.ek_certificates"),
        ({"ek_certificates": (bytes(9000),)}, "tpm.ek_certificates"),
        ({"ek_certificates": (MAKER.certify(spki_of(rsa_key()), now=START),) * 8}, "tpm.ek_certificates"),
        ({"ek_certificates": (MAKER.certify(spki_of(rsa_key()), now=START),)}, "tpm.ek_certificates"),
        (
            {
                "ek_public": b"",
                "ek_certificates": (MAKER.certify(spki_of(ec.generate_private_key(ec.SECP521R1())), now=START),),
            },
            "tpm.ek_public",
        ),
    ],
)
def test_keys_that_no_credential_can_be_made_for(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_tpm_keys(**_keys(**changes))
    assert refused.value.field == field


def test_the_template_of_an_ek_follows_from_its_public_area_or_its_curve() -> None:
    assert read_tpm_keys(**_keys()).ek_template == LOW_RANGE
    certificate = MAKER.certify(spki_of(new_key(KeyKind.EC_P384)), now=START)
    assert read_tpm_keys(**_keys(ek_public=b"", ek_certificates=(certificate,))).ek_template == P384_HIGH_RANGE


async def test_a_policy_that_takes_no_activations_believes_no_ak_for_one(bench: DeviceBench, tpm: VirtualTpm) -> None:
    await activated(bench, tpm)
    policy = bench.policies.policy
    kinds = frozenset(kind for kind in policy.tpm.kinds if kind.value != "credential-activation")
    bench.policies.policy = replace(policy, tpm=replace(policy.tpm, kinds=kinds))
    assert list((await stated(bench, lambda value: bare_quote(tpm, value))).verdict.reasons) == ["UNTRUSTED_AK"]
