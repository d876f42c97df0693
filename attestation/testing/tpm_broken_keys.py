"""TPM keys that must be refused: attestation keys, certified keys, endorsement keys, and their certificates."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from attestation.case import Case
from attestation.formats import tpm_parts
from attestation.formats.tpm_parts import certificates
from attestation.model import Collateral, Expectation
from attestation.policy_tpm import TpmKind, TpmPolicy
from attestation.reasons import Reason
from attestation.testing.broken import flip_bit
from attestation.testing.certificates import KEY_CERT_SIGN, key_usage, spki_of
from attestation.testing.tpm import CHALLENGE, activated_case, activation, creation, enrolled, ruled
from attestation.testing.tpm_bench import Bench, Maker, Table, changed, made_by, new_ec_key, new_spki, without
from attestation.testing.tpm_wire import AK_ATTRIBUTES, APP_KEY_ATTRIBUTES, PublicFields, TpmKey, name_of
from attestation.testing.virtual_tpm import VirtualTpm, VirtualTpmMaker
from attestation.tpm_collateral import TpmCollateral
from attestation.tpm_structures import ObjectAttribute

_UNRESTRICTED: Final = AK_ATTRIBUTES & ~ObjectAttribute.RESTRICTED
_NOT_FIXED: Final = ~(ObjectAttribute.FIXED_TPM | ObjectAttribute.FIXED_PARENT)


def _certified(
    attributes: int, change: Callable[[dict[str, bytes]], dict[str, bytes]] = lambda single: single
) -> Maker:
    def make(bench: Bench) -> Case:
        single = bench.tpm.certify(new_ec_key(), CHALLENGE, attributes=attributes)
        return replace(bench.case(), evidence=bench.tpm.attest(change(single), now=bench.now))

    return make


def _activated(change: Callable[[Bench, dict[str, bytes]], dict[str, bytes]]) -> Maker:
    def make(bench: Bench) -> Case:
        single = change(bench, activation(bench.tpm, now=bench.now))
        return activated_case(bench.tpm, now=bench.now, single=single)

    return make


def _certificate(make_der: Callable[[Bench], bytes], *, ek: bool = True) -> Maker:
    def make(bench: Bench) -> Case:
        der = make_der(bench)
        found = certificates(ek=(der,)) if ek else certificates(ak=der)
        return ruled(replace(bench.case(), evidence=found), TpmPolicy(kinds=frozenset({TpmKind.CERTIFICATE})))

    return make


def _other_maker(bench: Bench) -> Case:
    return replace(bench.case(), anchors=VirtualTpmMaker.create(now=bench.now).anchors())


def _unknown_maker(bench: Bench) -> Case:
    items = tuple(replace(item, common_name=None) for item in VirtualTpmMaker.create(now=bench.now).anchors().items)
    return replace(bench.case(), anchors=replace(bench.case().anchors, items=items))


def _short_ak(tpm: VirtualTpm) -> VirtualTpm:
    return replace(tpm, ak=rsa.generate_private_key(65537, 1024))  # noqa: S505 - to be refused


def _ak(attributes: int) -> Maker:
    return made_by(lambda tpm: tpm.with_ak(attributes=attributes))


def _public(attributes: int, key: TpmKey) -> bytes:
    return PublicFields(attributes=attributes).write(key)


def _without_usage(bench: Bench) -> bytes:
    """A certificate of a key that may sign certificates and nothing else."""
    return bench.tpm.maker.certify(spki_of(bench.tpm.ak), key_usage(KEY_CERT_SIGN), now=bench.now)


def _with_creation(bench: Bench, **facts: Any) -> Case:
    return bench.quoting(creation(bench.tpm, **facts))


def _ek_certificate_of_ak(bench: Bench) -> bytes:
    return replace(bench.tpm, ek=bench.tpm.ak).ek_certificate(now=bench.now)


KEYS: Final[Table] = {
    "unrestricted AK": (Reason.AK_NOT_RESTRICTED, _ak(_UNRESTRICTED)),
    "AK that decrypts": (
        Reason.AK_NOT_RESTRICTED, _ak(AK_ATTRIBUTES | ObjectAttribute.DECRYPT)
    ),
    "AK that may leave": (Reason.AK_NOT_RESTRICTED, _ak(AK_ATTRIBUTES & _NOT_FIXED)),
    "AK of 1024 bits": (Reason.WEAK_KEY, made_by(_short_ak)),
    "name of another AK": (Reason.NAME_MISMATCH, changed(tpm_parts.AK_NAME, lambda data: flip_bit(data, octet=9))),
    "creation of another key": (
        Reason.NAME_MISMATCH,
        lambda bench: _with_creation(bench, named=name_of(bench.another().ak_public)),
    ),
    "other creation data": (Reason.BINDING_MISMATCH, lambda bench: _with_creation(bench, data=b"other data")),
    "AK nobody vouches for": (
        Reason.UNTRUSTED_AK, without(tpm_parts.AK_CERTIFICATE)
    ),
    "another AK is enrolled": (
        Reason.UNTRUSTED_AK,
        lambda bench: enrolled(without(tpm_parts.AK_CERTIFICATE)(bench), name_of(bench.another().ak_public)),
    ),
    "certificate of another AK": (
        Reason.BINDING_MISMATCH,
        lambda bench: bench.quoting({tpm_parts.AK_CERTIFICATE: bench.another().ak_certificate(now=bench.now)}),
    ),
    "EK certificate for an AK": (
        Reason.CERTIFICATE_PROFILE,
        lambda bench: bench.quoting({tpm_parts.AK_CERTIFICATE: _ek_certificate_of_ak(bench)}),
    ),
    "AK certificate under an anchor for EKs": (
        Reason.UNTRUSTED_ROOT, lambda bench: replace(bench.case(), anchors=bench.tpm.maker.anchors("ek"))
    ),
    "CA of the same name": (Reason.BAD_SIGNATURE, _other_maker),
    "CA that nobody knows": (Reason.UNTRUSTED_ROOT, _unknown_maker),
    "expired certificate": (Reason.EXPIRED, lambda bench: replace(bench.case(), at=bench.now + timedelta(days=400))),
    "certificate of the future": (
        Reason.NOT_YET_VALID, lambda bench: replace(bench.case(), at=bench.now - timedelta(days=90))
    ),
    "imported key": (
        Reason.KEY_NOT_GENERATED, _certified(APP_KEY_ATTRIBUTES & ~ObjectAttribute.SENSITIVE_DATA_ORIGIN)
    ),
    "key that may leave": (Reason.KEY_EXPORTABLE, _certified(APP_KEY_ATTRIBUTES & _NOT_FIXED)),
    "certification of another key": (
        Reason.NAME_MISMATCH,
        _certified(
            APP_KEY_ATTRIBUTES,
            lambda single: {**single, tpm_parts.CERTIFIED_PUBLIC: _public(APP_KEY_ATTRIBUTES, new_ec_key())},
        ),
    ),
    "certified key is not the one to enrol": (
        Reason.KEY_MISMATCH,
        lambda bench: replace(
            _certified(APP_KEY_ATTRIBUTES)(bench), expectation=Expectation(CHALLENGE, new_spki())
        ),
    ),
    "activated by another TPM": (
        Reason.CHALLENGE_MISMATCH, _activated(lambda _, parts: {**parts, tpm_parts.ACTIVATED_SECRET: bytes(32)})
    ),
    "credential of another shape": (
        Reason.BINDING_MISMATCH,
        _activated(lambda _, parts: {**parts, tpm_parts.ENCRYPTED_SECRET: parts[tpm_parts.ENCRYPTED_SECRET][:-1]}),
    ),
    "credential for another AK": (
        Reason.NAME_MISMATCH,
        lambda bench: replace(
            _activated(lambda _, parts: parts)(bench),
            collateral=Collateral(
                tpm=TpmCollateral(
                    credential_name=name_of(bench.another().ak_public), credential_ek=spki_of(bench.tpm.ek)
                )
            ),
        ),
    ),
    "credential for another EK": (
        Reason.BINDING_MISMATCH,
        lambda bench: replace(
            _activated(lambda _, parts: parts)(bench),
            collateral=Collateral(
                tpm=TpmCollateral(credential_name=name_of(bench.tpm.ak_public), credential_ek=new_spki())
            ),
        ),
    ),
    "nobody knows what the credential was for": (
        Reason.COLLATERAL_MISSING,
        lambda bench: replace(_activated(lambda _, parts: parts)(bench), collateral=Collateral()),
    ),
    "EK nobody vouches for": (
        Reason.UNTRUSTED_ROOT,
        _activated(lambda _, parts: {k: v for k, v in parts.items() if k != tpm_parts.EK_CERTIFICATE}),
    ),
    "EK certificate of another TPM": (
        Reason.BINDING_MISMATCH,
        _activated(
            lambda bench, parts: {**parts, tpm_parts.EK_CERTIFICATE: bench.another().ek_certificate(now=bench.now)}
        ),
    ),
    "signing key as EK": (
        Reason.CERTIFICATE_PROFILE,
        _activated(lambda bench, parts: {**parts, tpm_parts.EK_PUBLIC: _public(AK_ATTRIBUTES, bench.tpm.ek)}),
    ),
    "padded certificate of an unknown maker": (
        Reason.NON_DER, _certificate(lambda bench: bench.tpm.ek_certificate(now=bench.now) + b"\xff" * 8)
    ),
    "certificate with a tail": (
        Reason.MALFORMED, _certificate(lambda bench: bench.tpm.ek_certificate(now=bench.now) + b"tail")
    ),
    "AK certificate as EK": (
        Reason.CERTIFICATE_PROFILE, _certificate(lambda bench: bench.tpm.ak_certificate(now=bench.now))
    ),
    "certificate without the right usage": (
        Reason.CERTIFICATE_PROFILE,
        _certificate(_without_usage, ek=False),
    ),
    "bare certificate": (
        Reason.KIND_NOT_ALLOWED,
        lambda bench: replace(bench.case(), evidence=certificates(ek=(bench.tpm.ek_certificate(now=bench.now),))),
    ),
}  # fmt: skip
