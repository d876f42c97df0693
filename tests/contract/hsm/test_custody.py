"""One suite for the second half of the port (hsm/custody.py): the fake in memory and PKCS#11 on a real SoftHSM."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

import softhsm
from hallmark_composite import DEFAULT_ALGORITHM, CompositePublicKey, EcCurve, MlDsaParameterSet, prehash, verify
from hallmark_envelope import (
    MAX_ENVELOPE_SIZE,
    EnvelopePrivateKey,
    HpkeKem,
    TransferAlgorithm,
    export_info,
    import_info,
    seal_envelope,
)
from hsm import foreign_keys
from hsm.breaker import CircuitState
from hsm.custody import ExportPermit
from hsm.errors import (
    EnvelopeInvalid,
    ExportForbidden,
    ImportRefused,
    InvalidRequest,
    KeyNotFound,
    SealBroken,
    UnsupportedAlgorithm,
)
from hsm.key_targets import target_of
from hsm.material import CompositeKeyMaterial, HpkeKeyMaterial, ProtectionLevel, material_from_bytes
from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.provider import KeyProvider
from hsm.slot_health import SlotState
from hsm.testing import FakeKeyProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")
BINDING, IMPORT_BINDING, NAME = b"tenant/key/1/envelope", b"tenant/import/1", "tenants/t/keys/k"
RECIPIENT = EnvelopePrivateKey.from_seed(HpkeKem.MLKEM768_X25519, bytes(32))


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["fake", "pkcs11"])
async def provider(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[KeyProvider]:
    made: KeyProvider
    if request.param == "fake":
        made = FakeKeyProvider()
    else:
        made = Pkcs11KeyProvider(softhsm.settings(tmp_path_factory.mktemp("hsm") / "data"))
    await made.start()
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def key(provider: KeyProvider) -> HpkeKeyMaterial:
    return await provider.generate_hpke(HpkeKem.MLKEM768_X25519, key_binding=BINDING)


async def open_with(provider: KeyProvider, material: HpkeKeyMaterial, envelope: bytes, **changes) -> bytes:
    arguments = {"envelope": envelope, "info": b"info", "key_binding": BINDING}
    return await provider.open_envelope(material, **(arguments | changes))


def permit_for(material, **changes) -> ExportPermit:
    permit = ExportPermit.for_key(
        material,
        key_name=NAME,
        recipient_kem=RECIPIENT.kem,
        recipient_public_key=RECIPIENT.public_key,
        approval="tenants/t/proposals/1",
    )
    return replace(permit, **changes)


async def sign_composite(provider: KeyProvider, material: CompositeKeyMaterial) -> None:
    digest = prehash(material.algorithm, b"message")
    signature = await provider.sign_composite(material, digest=digest, context=b"", key_binding=BINDING)
    verify(CompositePublicKey.from_bytes(material.algorithm, material.public_key), signature, message=b"message")


@pytest.mark.parametrize("kem", HpkeKem, ids=lambda kem: kem.standard_name)
async def test_an_envelope_sealed_outside_opens_here(provider, kem: HpkeKem) -> None:
    material = await provider.generate_hpke(kem, key_binding=BINDING)
    assert material_from_bytes(material.to_bytes()) == material
    assert material.protection is ProtectionLevel.HSM_WRAPPED
    for plaintext in (b"", b"x", bytes(kem.max_plaintext_size)):
        envelope = seal_envelope(material.public_key, kem, plaintext, info=b"info")
        assert await open_with(provider, material, envelope) == plaintext


async def test_why_an_envelope_does_not_open_is_not_told(provider, key) -> None:
    envelope = seal_envelope(key.public_key, key.kem, b"secret", info=b"info")
    other = await provider.generate_hpke(key.kem, key_binding=BINDING)
    flipped = [bytes(envelope[:at]) + bytes([envelope[at] ^ 1]) + bytes(envelope[at + 1 :]) for at in (0, 1100, -2)]
    told = set()
    for material, sealed, info in (
        (other, envelope, b"info"),
        (key, envelope, b"other"),
        (key, envelope, b""),
        (key, b"", b"info"),
        (key, envelope[:-1], b"info"),
        (key, envelope + b"x", b"info"),
        *((key, changed, b"info") for changed in flipped),
    ):
        with pytest.raises(EnvelopeInvalid) as caught:
            await open_with(provider, material, sealed, info=info)
        told.add((caught.value.code, str(caught.value), caught.value.retryable))
    assert len(told) == 1


async def test_an_envelope_key_answers_for_its_binding_only(provider, key) -> None:
    envelope = seal_envelope(key.public_key, key.kem, b"secret", info=b"info")
    for binding in (b"", BINDING + b"x"):
        with pytest.raises(SealBroken):
            await open_with(provider, key, envelope, key_binding=binding)
    plain = await provider.generate_mldsa(MlDsaParameterSet.ML_DSA_44, key_binding=BINDING)
    with pytest.raises(SealBroken):  # a signing seed is never an envelope key
        await open_with(provider, replace(key, post_quantum=plain.post_quantum), envelope)


async def test_too_long_envelopes_and_infos_are_refused(provider, key) -> None:
    with pytest.raises(InvalidRequest, match="1048576"):
        await open_with(provider, key, bytes(MAX_ENVELOPE_SIZE + 1))
    with pytest.raises(InvalidRequest, match="1024"):
        await open_with(provider, key, bytes(2000), info=bytes(1025))
    with pytest.raises(InvalidRequest, match="4096"):
        await provider.generate_hpke(key.kem, key_binding=bytes(4097))


async def test_a_new_key_encryption_key_seals_and_the_old_one_opens(provider, key) -> None:
    composite = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)
    created = await provider.create_kek()
    assert created.newest
    keks = await provider.list_keks()
    assert keks[-1] == created
    generations = [kek.generation for kek in keks]
    assert generations == sorted(set(generations))
    assert [kek.newest for kek in keks] == [False] * (len(keks) - 1) + [True]
    assert composite.post_quantum.kek_id == keks[-2].kek_id
    for _ in range(4):  # whichever signer process makes it
        fresh = await provider.generate_hpke(key.kem, key_binding=BINDING)
        assert fresh.post_quantum.kek_id == created.kek_id
    await sign_composite(provider, composite)
    assert (await provider.health()).workers_ready >= 1


async def test_rewrap_moves_every_kind_of_seal_to_the_newest_key(provider) -> None:
    composite = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)
    hpke = await provider.generate_hpke(HpkeKem.MLKEM1024_P384, key_binding=BINDING)
    ml_dsa = await provider.generate_mldsa(MlDsaParameterSet.ML_DSA_65, key_binding=BINDING)
    unsealed = [await provider.generate_ed25519(), await provider.generate_ecdsa(EcCurve.P256)]
    newest = (await provider.create_kek()).kek_id
    for material in (composite, hpke, ml_dsa):
        moved = await provider.rewrap(material, key_binding=BINDING)
        assert moved.post_quantum.kek_id == newest != material.post_quantum.kek_id
        assert replace(moved, post_quantum=material.post_quantum) == material
        assert await provider.rewrap(moved, key_binding=BINDING) == moved
        with pytest.raises(SealBroken):
            await provider.rewrap(material, key_binding=b"another")
    for material in unsealed:
        assert await provider.rewrap(material, key_binding=BINDING) == material
    await sign_composite(provider, await provider.rewrap(composite, key_binding=BINDING))
    envelope = seal_envelope(hpke.public_key, hpke.kem, b"kept", info=b"info")
    assert await open_with(provider, await provider.rewrap(hpke, key_binding=BINDING), envelope) == b"kept"


async def test_rewrap_notices_a_public_key_that_is_not_the_seeds(provider) -> None:
    first, second = [await provider.generate_hpke(HpkeKem.MLKEM768_X25519, key_binding=BINDING) for _ in range(2)]
    await provider.create_kek()
    with pytest.raises(SealBroken):
        await provider.rewrap(replace(first, public_key=second.public_key), key_binding=BINDING)


async def test_a_destroyed_key_encryption_key_opens_nothing_and_the_newest_stays(provider) -> None:
    lost = await provider.generate_hpke(HpkeKem.MLKEM768_X25519, key_binding=BINDING)
    newest = await provider.create_kek()
    kept = await provider.rewrap(lost, key_binding=BINDING)
    with pytest.raises(InvalidRequest, match="newest"):
        await provider.destroy_kek(newest.kek_id)
    await provider.destroy_kek(lost.post_quantum.kek_id)
    await provider.destroy_kek(lost.post_quantum.kek_id)  # once more is fine
    assert lost.post_quantum.kek_id not in {kek.kek_id for kek in await provider.list_keks()}
    envelope = seal_envelope(lost.public_key, lost.kem, b"kept", info=b"info")
    for _ in range(4):
        with pytest.raises(KeyNotFound):
            await open_with(provider, lost, envelope)
        assert await open_with(provider, kept, envelope) == b"kept"
    health = await provider.health()
    assert health.workers_ready == health.workers


async def test_destroying_a_key_encryption_key_destroys_nothing_else(provider) -> None:
    composite = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)
    await provider.create_kek()
    await provider.destroy_kek(composite.classical.cka_id)
    await sign_composite(provider, composite)


@pytest.mark.parametrize("algorithm", TransferAlgorithm, ids=str)
async def test_an_exportable_key_leaves_and_comes_back_as_the_same_key(provider, algorithm: TransferAlgorithm) -> None:
    if algorithm is TransferAlgorithm.ED25519 and isinstance(provider, Pkcs11KeyProvider):
        with pytest.raises(UnsupportedAlgorithm, match="lets no Ed25519 key go"):  # SoftHSM 2.6 wraps none
            await provider.generate_exportable(algorithm, key_binding=BINDING)
        return
    material = await provider.generate_exportable(algorithm, key_binding=BINDING)
    envelope = await provider.export_key(material, permit=permit_for(material), key_binding=BINDING)
    encoded = RECIPIENT.open(envelope, info=export_info(algorithm=algorithm, key_name=NAME))
    import_key = await provider.generate_hpke(HpkeKem.MLKEM1024_P384, key_binding=IMPORT_BINDING)
    back = seal_envelope(
        import_key.public_key, import_key.kem, encoded, info=import_info(algorithm=algorithm, key_name=NAME)
    )
    imported = await provider.import_key(
        import_key,
        envelope=back,
        algorithm=algorithm,
        key_name=NAME,
        import_key_binding=IMPORT_BINDING,
        key_binding=b"imported",
    )
    assert type(imported) is type(material)
    assert imported.public_key == material.public_key
    assert imported != material
    with pytest.raises(ExportForbidden):  # imported to stay
        await provider.export_key(imported, permit=permit_for(imported), key_binding=b"imported")


async def test_an_exported_key_is_imported_as_it_is(provider) -> None:
    """From one service to another, without ever being clear outside signer processes."""
    algorithm = TransferAlgorithm.MLDSA65_ECDSA_P256_SHA512
    material = await provider.generate_exportable(algorithm, key_binding=BINDING)
    import_key = await provider.generate_hpke(HpkeKem.MLKEM1024_P384, key_binding=IMPORT_BINDING)
    permit = permit_for(material, recipient_kem=import_key.kem, recipient_public_key=import_key.public_key)
    envelope = await provider.export_key(material, permit=permit, key_binding=BINDING)
    arguments = {
        "envelope": envelope,
        "algorithm": algorithm,
        "key_name": "tenants/elsewhere/keys/k/versions/1",
        "import_key_binding": IMPORT_BINDING,
        "key_binding": b"imported",
    }
    for exported_as in ("", "tenants/t/keys/another/versions/1"):
        with pytest.raises(EnvelopeInvalid):
            await provider.import_key(import_key, **arguments, exported_as=exported_as)
    imported = await provider.import_key(import_key, **arguments, exported_as=NAME)
    assert imported.public_key == material.public_key


async def test_a_key_made_to_stay_never_leaves(provider, key) -> None:
    keys = [
        key,
        await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING),
        await provider.generate_mldsa(MlDsaParameterSet.ML_DSA_44, key_binding=BINDING),
        await provider.generate_ecdsa(EcCurve.P256),
        await provider.generate_ed25519(),
    ]
    for material in keys:
        with pytest.raises(ExportForbidden):
            await provider.export_key(material, permit=permit_for(material), key_binding=BINDING)


async def test_a_seal_does_not_become_exportable_by_a_changed_word(provider, key) -> None:
    material = await provider.generate_exportable(TransferAlgorithm.ML_DSA_65, key_binding=BINDING)
    claimed = replace(key, post_quantum=replace(key.post_quantum, aad_version=material.post_quantum.aad_version))
    with pytest.raises(SealBroken):
        await provider.export_key(claimed, permit=permit_for(claimed), key_binding=BINDING)


async def test_a_permit_is_for_one_key_and_one_recipient(provider) -> None:
    material = await provider.generate_exportable(TransferAlgorithm.ML_DSA_65, key_binding=BINDING)
    permit = permit_for(material, public_key_sha256=bytes(32))
    with pytest.raises(ExportForbidden, match="another key"):
        await provider.export_key(material, permit=permit, key_binding=BINDING)
    permit = permit_for(material, recipient_public_key=bytes(1216 - 1))
    with pytest.raises(InvalidRequest, match="recipient"):
        await provider.export_key(material, permit=permit, key_binding=BINDING)
    with pytest.raises(SealBroken):
        await provider.export_key(material, permit=permit_for(material), key_binding=b"another")


async def test_an_exportable_key_stays_exportable_when_rewrapped_and_signs_like_others(provider) -> None:
    material = await provider.generate_exportable(TransferAlgorithm.MLDSA65_ECDSA_P256_SHA512, key_binding=BINDING)
    await provider.create_kek()
    moved = await provider.rewrap(material, key_binding=BINDING)
    assert moved.post_quantum.exportable
    await sign_composite(provider, moved)
    envelope = await provider.export_key(moved, permit=permit_for(moved), key_binding=BINDING)
    info = export_info(algorithm=TransferAlgorithm.MLDSA65_ECDSA_P256_SHA512, key_name=NAME)
    target = target_of(TransferAlgorithm.MLDSA65_ECDSA_P256_SHA512)
    clear = foreign_keys.parse(target, RECIPIENT.open(envelope, info=info), expand=None)
    assert len(clear.seed) == len(clear.classical) == 32


async def test_an_import_is_tied_to_its_algorithm_name_and_direction(provider, key) -> None:
    algorithm, seed = TransferAlgorithm.HPKE_MLKEM768_X25519, bytes(range(32))
    for info in (
        import_info(algorithm=algorithm, key_name="tenants/t/keys/other"),
        import_info(algorithm=TransferAlgorithm.ML_DSA_44, key_name=NAME),
        export_info(algorithm=algorithm, key_name=NAME),
        b"",
    ):
        with pytest.raises(EnvelopeInvalid):
            await provider.import_key(
                key,
                envelope=seal_envelope(key.public_key, key.kem, seed, info=info),
                algorithm=algorithm,
                key_name=NAME,
                import_key_binding=BINDING,
                key_binding=b"imported",
            )


async def test_what_is_not_a_key_is_not_imported(provider, key) -> None:
    for algorithm in TransferAlgorithm:
        info = import_info(algorithm=algorithm, key_name=NAME)
        for encoded in (b"", bytes(31), b"\x30\x03\x02\x01\x00", bytes(20_000)):
            with pytest.raises(ImportRefused):
                await provider.import_key(
                    key,
                    envelope=seal_envelope(key.public_key, key.kem, encoded, info=info),
                    algorithm=algorithm,
                    key_name=NAME,
                    import_key_binding=BINDING,
                    key_binding=b"imported",
                )


async def test_each_signer_process_is_told_apart(provider) -> None:
    health = await provider.health()
    assert [slot.number for slot in health.slots] == list(range(health.workers))
    assert {slot.state for slot in health.slots} == {SlotState.READY}
    assert health.slowest_probe_ms == max(slot.probe_ms for slot in health.slots)
    assert health.circuit is CircuitState.CLOSED
    assert len(await provider.slots()) == health.workers


async def test_data_is_kept_under_its_name_and_replaced_whole(provider) -> None:
    name, other = "hallmark-log log.example/one", "hallmark-log log.example/two"
    assert await provider.read_data(name) == ()
    await provider.write_data(name, b"first\n")
    await provider.write_data(other, b"another\n")
    assert await provider.read_data(name) == (b"first\n",)
    for value in (b"\x00", bytes(range(256)) * 4, b"last"):
        await provider.write_data(name, value)
        assert await provider.read_data(name) == (value,)
    assert await provider.read_data(other) == (b"another\n",)
    assert (await provider.health()).workers_ready >= 1


async def test_data_is_seen_by_every_signer_process(provider) -> None:
    for number in range(6):
        await provider.write_data("shared", b"%d" % number)
        assert set(await asyncio.gather(*(provider.read_data("shared") for _ in range(4)))) == {(b"%d" % number,)}


async def test_data_has_bounds(provider) -> None:
    for name, value in (("", b"x"), ("n" * 301, b"x"), ("name", b""), ("name", bytes(1025))):
        with pytest.raises(InvalidRequest):
            await provider.write_data(name, value)
    with pytest.raises(InvalidRequest):
        await provider.read_data("")
    await provider.write_data("n" * 300, bytes(1024))
