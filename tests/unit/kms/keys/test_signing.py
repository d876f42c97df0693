"""Signatures with every algorithm and format, and what keys refuse to sign."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hallmark_composite.representative import PREFIX
from hsm.errors import HsmError, TokenUnavailable
from hsm.material import CompositeKeyMaterial, EcdsaKeyMaterial, MlDsaKeyMaterial
from hsm.testing import Operation
from kms.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Reason, Unavailable
from kms.core.names import AliasName, KeyName, KeyVersionName
from kms.keys.algorithms import ALGORITHMS, AlgorithmFamily, KeyAlgorithm
from kms.keys.aliases import AliasService
from kms.keys.formats import SignatureFormat
from kms.keys.inputs import SignInput, mu_of
from kms.keys.model import KeyPurpose, key_binding
from kms.keys.policies import KeySettings, UsageLimits
from kms.keys.public_keys import to_spki_pem
from kms.keys.purposes import MANIFEST_CONTEXT
from kms.keys.sign_item import item_of
from kms.keys.signing import SignOutcome
from kms.keys.verification import VerificationService, VerifyItem
from support.keys_world import KeysWorld, keys_world

MANIFEST = KeyName("default", "manifest")
SIGNING = [algorithm for algorithm in ALGORITHMS.values() if algorithm.signs]
ONE_MANIFEST = b'{"exclude":[],"files":[],"format":"hallmark-manifest/v1","links":[]}'


@pytest.fixture
async def world(tmp_path: Path, world_url: str | None) -> AsyncIterator[KeysWorld]:
    async with keys_world(tmp_path, world_url) as world:
        yield world


async def _sign(world: KeysWorld, given: SignInput, *, form: SignatureFormat = SignatureFormat.RAW, name=MANIFEST):
    answer, _, _ = await world.signing.sign(
        name, given, request=world.request(), now=world.world.clock.now(), published=False, form=form
    )
    return answer


async def _sign_many(world: KeysWorld, inputs: list[SignInput], **more) -> list[SignOutcome | Exception]:
    items = [item_of(more.get("name", MANIFEST), given, SignatureFormat.RAW, world.request()) for given in inputs]
    return await world.signing.sign_many(items, now=world.world.clock.now(), published=False)


@pytest.mark.parametrize("algorithm", SIGNING, ids=str)
async def test_every_algorithm_signs_and_verifies(world: KeysWorld, algorithm: KeyAlgorithm) -> None:
    await world.create(algorithm=algorithm)
    context = b"models/v1" if algorithm.supports_context else b""
    given = SignInput(data=b"weights", context=context)
    answer = await _sign(world, given)
    assert answer.algorithm == algorithm.title
    service = VerificationService(world.world.database)
    version = await service.verify(VerifyItem(reference=MANIFEST, given=given, signature=answer.signature))
    assert str(version.name) == answer.key_version
    for wrong in (
        VerifyItem(reference=MANIFEST, given=SignInput(data=b"weight", context=context), signature=answer.signature),
        VerifyItem(reference=MANIFEST, given=given, signature=answer.signature[:-1]),
        VerifyItem(reference=MANIFEST, given=given, signature=b""),
    ):
        with pytest.raises(InvalidArgument) as refused:
            await service.verify(wrong)
        assert refused.value.reason is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize("algorithm", SIGNING, ids=str)
async def test_what_an_algorithm_can_not_take_is_refused_with_a_sentence(world: KeysWorld, algorithm) -> None:
    key = await world.create(algorithm=algorithm)
    refused = {
        AlgorithmFamily.COMPOSITE: [SignInput(mu=bytes(64)), SignInput(digest=bytes(20))],
        AlgorithmFamily.ECDSA: [
            SignInput(mu=bytes(64)),
            SignInput(digest=bytes(64)),
            SignInput(data=b"", context=b"c"),
        ],
        AlgorithmFamily.ML_DSA: [
            SignInput(digest=bytes(64)),
            SignInput(mu=bytes(32)),
            SignInput(mu=bytes(64), context=b"c"),
        ],
        AlgorithmFamily.ED25519: [
            SignInput(digest=bytes(64)),
            SignInput(mu=bytes(64)),
            SignInput(data=b"", context=b"c"),
        ],
    }[algorithm.family]
    if algorithm.family is not AlgorithmFamily.COMPOSITE:
        refused.append(SignInput(data=PREFIX + b"what a composite's halves sign"))
    outcomes = await _sign_many(world, refused)
    assert all(isinstance(outcome, InvalidArgument) for outcome in outcomes), outcomes
    assert key.use_count == 0


async def test_a_digest_or_mu_signs_the_same_as_the_message(world: KeysWorld) -> None:
    service = VerificationService(world.world.database)
    for name in ("MLDSA65_ECDSA_P256_SHA512", "ECDSA_P384_SHA384", "ML_DSA_65"):
        algorithm = ALGORITHMS[name]
        key = await world.create(name.lower().replace("_", "-"), algorithm=algorithm)
        if algorithm.supports_mu:
            given = SignInput(mu=mu_of(key.versions[0], b"m", b""))
        else:
            given = SignInput(digest=hashlib.new(algorithm.prehash, b"m").digest())
        answer = await _sign(world, given, name=key.name)
        await service.verify(VerifyItem(reference=key.name, given=SignInput(data=b"m"), signature=answer.signature))


@pytest.mark.parametrize(("name", "alg"), [("ECDSA_P256_SHA256", "ES256"), ("ECDSA_P384_SHA384", "ES384"), ("ED25519", "EdDSA"), ("ML_DSA_44", "ML-DSA-44"), ("ML_DSA_65", "ML-DSA-65"), ("ML_DSA_87", "ML-DSA-87")])  # fmt: skip
async def test_jws_and_cose_verify_with_the_public_key_alone(world: KeysWorld, name: str, alg: str) -> None:
    key = await world.create(algorithm=ALGORITHMS[name])
    public = load_pem_public_key(to_spki_pem(ALGORITHMS[name], key.versions[0].public_bytes).encode())
    jws = (await _sign(world, SignInput(data=b"claims"), form=SignatureFormat.JWS)).signature
    header, payload, signature = jws.split(b".")
    assert json.loads(_unbase64url(header)) == {"alg": alg, "kid": f"{MANIFEST}/versions/1"}
    assert _unbase64url(payload) == b"claims"
    _verify_plain(public, _unbase64url(signature), header + b"." + payload)
    tagged = cbor2.loads((await _sign(world, SignInput(data=b"claims"), form=SignatureFormat.COSE_SIGN1)).signature)
    assert tagged.tag == 18
    protected, unprotected, payload, signature = tagged.value
    numbers = {"ES256": -7, "ES384": -35, "EdDSA": -8, "ML-DSA-44": -48, "ML-DSA-65": -49, "ML-DSA-87": -50}
    assert cbor2.loads(protected) == {1: numbers[alg], 4: f"{MANIFEST}/versions/1".encode()}
    assert (unprotected, payload) == ({}, b"claims")
    _verify_plain(public, signature, cbor2.dumps(["Signature1", protected, b"", b"claims"]))


def _verify_plain(public, signature: bytes, signed: bytes) -> None:
    if isinstance(public, ec.EllipticCurvePublicKey):
        half = len(signature) // 2
        der = encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
        public.verify(der, signed, ec.ECDSA(hashes.SHA256() if half == 32 else hashes.SHA384()))
    else:
        public.verify(signature, signed)


def _unbase64url(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


@pytest.mark.parametrize("form", [SignatureFormat.JWS, SignatureFormat.COSE_SIGN1])
async def test_formats_that_are_not_settled_are_refused(world: KeysWorld, form: SignatureFormat) -> None:
    await world.create()
    await world.create("plain", algorithm=ALGORITHMS["ML_DSA_65"])
    plain = KeyName("default", "plain")
    for name, given in (
        (MANIFEST, SignInput(data=b"m")),
        (plain, SignInput(mu=bytes(64))),
        (plain, SignInput(data=b"m", context=b"c")),
    ):
        with pytest.raises(InvalidArgument) as refused:
            await _sign(world, given, form=form, name=name)
        assert refused.value.reason is Reason.FORMAT_UNSUPPORTED


@pytest.mark.parametrize("form", list(SignatureFormat))
async def test_ed25519_takes_as_much_in_every_format_as_is_said(world: KeysWorld, form: SignatureFormat) -> None:
    await world.create(algorithm=ALGORITHMS["ED25519"])
    assert await _sign(world, SignInput(data=bytes(65_536)), form=form)
    with pytest.raises(InvalidArgument, match="65536 bytes") as refused:
        await _sign(world, SignInput(data=bytes(65_537)), form=form)
    assert refused.value.reason is Reason.MESSAGE_TOO_LARGE


async def test_a_format_is_in_the_log(world: KeysWorld) -> None:
    await world.create(algorithm=ALGORITHMS["ED25519"])
    entry = json.loads((await _sign(world, SignInput(data=b"m"), form=SignatureFormat.JWS)).promise.entry)
    assert entry["details"]["format"] == "jws"


async def test_the_halves_of_a_composite_never_sign_alone(world: KeysWorld) -> None:
    """Whoever could write rows into the database could try to use a half as a plain key."""
    key = await world.create()
    version, provider = key.versions[0], world.world.provider
    material = version.material
    assert isinstance(material, CompositeKeyMaterial)
    binding = key_binding(version.name, KeyPurpose.SIGN)
    algorithm = material.algorithm
    curve_point = material.public_key[algorithm.ml_dsa.public_key_size :]
    as_ecdsa = EcdsaKeyMaterial(curve=algorithm.curve, public_key=curve_point, classical=material.classical)
    with pytest.raises(HsmError):
        await provider.sign_ecdsa(as_ecdsa, digest=bytes(32))
    as_ml_dsa = MlDsaKeyMaterial(
        parameter_set=algorithm.ml_dsa,
        public_key=material.public_key[: algorithm.ml_dsa.public_key_size],
        post_quantum=material.post_quantum,
    )
    with pytest.raises(HsmError):
        await provider.sign_mldsa(as_ml_dsa, message=b"m", context=algorithm.label, key_binding=binding)
    with pytest.raises(HsmError):
        await provider.sign_mldsa_mu(as_ml_dsa, mu=bytes(64), key_binding=binding)
    assert await world.sign(b"m"), "together they do"


async def test_a_manifest_key_signs_manifests_under_its_own_context(world: KeysWorld) -> None:
    await world.create(purpose=KeyPurpose.MANIFEST)
    answer = await _sign(world, SignInput(data=ONE_MANIFEST))
    service = VerificationService(world.world.database)
    for context in (b"", MANIFEST_CONTEXT):
        given = SignInput(data=ONE_MANIFEST, context=context)
        await service.verify(VerifyItem(reference=MANIFEST, given=given, signature=answer.signature))
    outcomes = await _sign_many(
        world,
        [
            SignInput(data=b"anything else"),
            SignInput(digest=hashlib.sha512(ONE_MANIFEST).digest()),
            SignInput(data=ONE_MANIFEST, context=b"models/v1"),
        ],
    )
    assert [getattr(outcome, "reason", None) for outcome in outcomes] == [Reason.PURPOSE_MISMATCH] * 3


async def test_keys_for_other_purposes_sign_nothing(world: KeysWorld) -> None:
    await world.create("envelopes", purpose=KeyPurpose.ENVELOPE, algorithm=ALGORITHMS["HPKE_MLKEM768_X25519"])
    with pytest.raises(FailedPrecondition) as refused:
        await _sign(world, SignInput(data=b"m"), name=KeyName("default", "envelopes"))
    assert refused.value.reason is Reason.PURPOSE_MISMATCH


async def test_an_alias_signs_with_the_key_it_points_at_now(world: KeysWorld) -> None:
    await world.create("one")
    await world.create("two")
    aliases, alias = AliasService(world.keys), AliasName("default", "current")

    async def point(key_id: str) -> None:
        await aliases.set(
            alias,
            KeyName("default", key_id),
            etag="",
            request=world.request(),
            now=world.world.clock.now(),
            published=False,
        )

    with pytest.raises(NotFound):
        await _sign(world, SignInput(data=b"m"), name=alias)
    await point("one")
    assert (await _sign(world, SignInput(data=b"m"), name=alias)).key_version == "tenants/default/keys/one/versions/1"
    await point("two")
    assert (await _sign(world, SignInput(data=b"m"), name=alias)).key_version == "tenants/default/keys/two/versions/1"


async def test_a_total_is_counted_exactly(world: KeysWorld) -> None:
    await world.create(settings=KeySettings(usage_limits=UsageLimits(total=5)))
    first = await _sign_many(world, [SignInput(data=b"%d" % number) for number in range(3)])
    then = await asyncio.gather(*(_sign_many(world, [SignInput(data=b"x"), SignInput(data=b"y")]) for _ in range(2)))
    outcomes = [*first, *then[0], *then[1]]
    assert sum(isinstance(outcome, tuple) for outcome in outcomes) == 5
    refused = [outcome.reason for outcome in outcomes if isinstance(outcome, FailedPrecondition)]
    assert refused == [Reason.USAGE_LIMIT_REACHED] * 2
    assert (await world.keys.get(MANIFEST)).use_count == 5


async def test_a_replay_is_no_use_and_needs_none_left(world: KeysWorld) -> None:
    await world.create(settings=KeySettings(usage_limits=UsageLimits(total=1)))
    request = world.request()
    first = await world.sign(b"m", request=request)
    assert await world.sign(b"m", request=request) == first
    with pytest.raises(FailedPrecondition):
        await world.sign(b"m")
    assert await world.sign(b"m", request=request) == first
    assert (await world.keys.get(MANIFEST)).use_count == 1


async def test_what_was_refused_may_be_asked_again_under_the_same_request_id(world: KeysWorld) -> None:
    """A refusal leaves nothing behind: no answer for replays, no log entry."""
    await world.create(settings=KeySettings(usage_limits=UsageLimits(total=1)))
    await world.sign(b"m")
    request = world.request()
    for _ in range(2):
        with pytest.raises(FailedPrecondition) as refused:
            await world.sign(b"n", request=request)
        assert refused.value.reason is Reason.USAGE_LIMIT_REACHED


async def test_a_key_signs_only_so_often_a_second(world: KeysWorld) -> None:
    await world.create(settings=KeySettings(usage_limits=UsageLimits(per_second=2)))
    outcomes = await _sign_many(world, [SignInput(data=b"m")] * 3)
    assert [getattr(outcome, "reason", None) for outcome in outcomes] == [None, None, Reason.RATE_LIMITED]
    world.world.clock.advance(1)
    assert await world.sign(b"m")


async def test_a_key_that_expires_while_it_is_remembered_stops(world: KeysWorld) -> None:
    not_after = world.world.clock.now() + timedelta(minutes=1)
    await world.create(settings=KeySettings(usage_limits=UsageLimits(not_after=not_after)))
    assert await world.sign(b"m")
    world.world.clock.advance(61)
    with pytest.raises(FailedPrecondition) as refused:
        await world.sign(b"m")
    assert refused.value.reason is Reason.KEY_EXPIRED


async def test_one_item_that_the_hsm_refuses_costs_the_others_nothing(world: KeysWorld) -> None:
    await world.create()
    await world.create("other")
    world.world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"))
    outcomes = await _sign_many(world, [SignInput(data=b"%d" % number) for number in range(4)])
    assert [type(outcome).__name__ for outcome in outcomes].count("Unavailable") == 1
    assert sum(isinstance(outcome, tuple) for outcome in outcomes) == 3


async def test_a_batch_of_which_nothing_could_be_signed_is_to_be_repeated_as_a_whole(world: KeysWorld) -> None:
    await world.create()
    world.world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"), times=3)
    with pytest.raises(Unavailable):
        await _sign_many(world, [SignInput(data=b"m")] * 3)


async def test_replays_in_a_batch_are_answered_while_the_hsm_is_away(world: KeysWorld) -> None:
    await world.create()
    request = world.request()
    first = await world.sign(b"m", request=request)
    world.world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"), times=2)
    items = [
        item_of(MANIFEST, SignInput(data=b"m"), SignatureFormat.RAW, request),
        item_of(MANIFEST, SignInput(data=b"n"), SignatureFormat.RAW, world.request()),
    ]
    replay, refused = await world.signing.sign_many(items, now=world.world.clock.now(), published=False)
    assert isinstance(replay, tuple)
    assert (replay[0], replay[2]) == (first, True)
    assert isinstance(refused, Unavailable)


async def test_a_batch_over_a_rotation_is_signed_by_the_new_version(world: KeysWorld) -> None:
    await world.create()
    await world.sign(b"m")
    await world.rotate()
    outcomes = await _sign_many(world, [SignInput(data=b"m")] * 3)
    assert {outcome[0].key_version for outcome in outcomes if isinstance(outcome, tuple)} == {f"{MANIFEST}/versions/2"}
    by_number = await _sign_many(world, [SignInput(data=b"m")], name=KeyVersionName("default", "manifest", 1))
    assert [getattr(outcome, "reason", None) for outcome in by_number] == [Reason.KEY_VERSION_NOT_ACTIVE]


async def test_twins_in_one_batch_get_one_signature(world: KeysWorld) -> None:
    await world.create()
    twin, reused = world.request(b"a"), None
    reused = world.request(b"b", twin.request_id)
    items = [item_of(MANIFEST, SignInput(data=b"m"), SignatureFormat.RAW, request) for request in (twin, twin, reused)]
    one, two, three = await world.signing.sign_many(items, now=world.world.clock.now(), published=False)
    assert isinstance(one, tuple)
    assert isinstance(two, tuple)
    assert (one[0], one[2], two[2]) == (two[0], False, True)
    assert isinstance(three, AlreadyExists)
    assert (await world.keys.get(MANIFEST)).use_count == 1
