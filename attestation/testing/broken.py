"""Evidence that must be refused, one variant for each way to cheat or to fail, with the reason that must come first.

Every maker gets a good phone and its vendor, and returns the whole case to verify: most change the evidence, some the
challenge, the time, the status list or the policy.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from attestation.case import Case
from attestation.claims import BootVerification, SecurityLevel
from attestation.model import Anchors, Collateral, Evidence, Expectation
from attestation.policy import AllowedApp, AndroidPolicy, Policy, Provisioning
from attestation.reasons import Reason
from attestation.testing import asn1
from attestation.testing.certificates import (
    DIGITAL_SIGNATURE,
    CertificateRequest,
    KeyKind,
    ca_extensions,
    issue,
    key_usage,
    new_key,
    spki_of,
)
from attestation.testing.key_description import IMPORTED
from attestation.testing.phone import LEAF_NAME, Issuer, VirtualPhone
from attestation.testing.variant import Variant
from attestation.testing.vendor import VirtualVendor, status_list
from attestation.x509 import parse_certificate

CHALLENGE: Final = b"challenge of the evidence factory"


@dataclass(frozen=True, slots=True)
class Bench:
    """What makers work with."""

    vendor: VirtualVendor
    phone: VirtualPhone
    now: datetime


def good_case(vendor: VirtualVendor, phone: VirtualPhone, *, now: datetime, challenge: bytes = CHALLENGE) -> Case:
    """Evidence of this phone with all that is needed to accept it: anchors, an empty fresh status list, policy."""
    return Case(
        evidence=phone.attest(challenge),
        expectation=Expectation(challenge),
        anchors=vendor.anchors,
        collateral=Collateral(status_list({}, fetched_at=now)),
        policy=Policy(),
        at=now,
    )


def broken_variants(vendor: VirtualVendor, phone: VirtualPhone, *, now: datetime) -> tuple[Variant, ...]:
    """All variants for a good, remotely provisioned phone."""
    bench = Bench(vendor, phone, now)
    return tuple(Variant(name, reason, make(bench)) for name, (reason, make) in BROKEN.items())


Maker = Callable[[Bench], Case]


def _good(bench: Bench, **state: Any) -> Case:
    return good_case(bench.vendor, bench.phone.changed(**state), now=bench.now)


def _state(**state: Any) -> Maker:
    return lambda bench: _good(bench, **state)


def _policy(**android: Any) -> Maker:
    return lambda bench: replace(_good(bench), policy=Policy(android=AndroidPolicy(**android)))


def _chain(change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]) -> Maker:
    """Change the list of certificates of good evidence."""

    def make(bench: Bench) -> Case:
        case = _good(bench)
        return replace(case, evidence=Evidence.android(change(case.evidence.named("certificate"))))

    return make


def _leaf(*, extensions: Callable[[bytes], tuple[bytes, ...]]) -> Maker:
    """A properly signed leaf with other extensions; the function is given the key description."""

    def make(bench: Bench) -> Case:
        phone = bench.phone
        leaf = phone.leaf(spki_of(new_key(KeyKind.EC_P256)), *extensions(phone.description_extension(CHALLENGE)))
        return replace(_good(bench), evidence=Evidence.android((leaf, *phone.attester.chain)))

    return make


def _attester(change: Callable[[Bench], Issuer]) -> Maker:
    """The same phone with another attestation key above its leaf."""
    return lambda bench: good_case(bench.vendor, replace(bench.phone, attester=change(bench)), now=bench.now)


def flip_bit(data: bytes, *, octet: int, bit: int = 0) -> bytes:
    changed = bytearray(data)
    changed[octet] ^= 1 << bit
    return bytes(changed)


def extend_chain(phone: VirtualPhone, challenge: bytes) -> Evidence:
    """The chain extension attack: a genuine attested key signs one more leaf with a description of its own making."""
    genuine = phone.generate_key(challenge)
    attacker = Issuer(LEAF_NAME, genuine.private_key, genuine.evidence.named("certificate"))
    return replace(phone, attester=attacker).attest(challenge)


def _foreign_leaf(bench: Bench) -> Case:
    other = VirtualPhone.create(bench.vendor, now=bench.now)
    leaf = other.attest(CHALLENGE).named("certificate")[0]
    return replace(_good(bench), evidence=Evidence.android((leaf, *bench.phone.attester.chain)))


def _wrong_signer(bench: Bench) -> Case:
    """Right names everywhere, but somebody else's key made the leaf."""
    attester = replace(bench.phone.attester, key=new_key(KeyKind.EC_P256))
    return good_case(bench.vendor, replace(bench.phone, attester=attester), now=bench.now)


def _untrusted(bench: Bench) -> Case:
    other = VirtualVendor.create(now=bench.now)
    phone = VirtualPhone.create(other, now=bench.now)
    return replace(good_case(other, phone, now=bench.now), anchors=bench.vendor.anchors)


def _below(bench: Bench, *, extensions: tuple[bytes, ...]) -> Issuer:
    """One more certificate between the phone's attestation key and the leaf."""
    key = new_key(KeyKind.EC_P256)
    begin, end = bench.now - timedelta(days=1), bench.now + timedelta(days=1)
    return bench.phone.attester.issue_ca(LEAF_NAME, key, begin=begin, end=end, extensions=extensions)


def _sha1(bench: Bench) -> Case:
    """A leaf that claims ecdsa-with-SHA1."""
    phone = bench.phone
    request = CertificateRequest(
        subject=LEAF_NAME,
        spki=spki_of(new_key(KeyKind.EC_P256)),
        not_before=bench.now,
        not_after=bench.now,
        extensions=(phone.description_extension(CHALLENGE),),
    )
    algorithm = asn1.sequence(asn1.oid("1.2.840.10045.4.1"))
    leaf = issue(request, issuer=phone.attester.subject, signer=phone.attester.key, algorithm=algorithm)
    return replace(_good(bench), evidence=Evidence.android((leaf, *phone.attester.chain)))


def _weak_root(bench: Bench) -> Case:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - weak on purpose
    vendor = VirtualVendor.with_key(key, now=bench.now)
    return good_case(vendor, VirtualPhone.create(vendor, now=bench.now), now=bench.now)


def _revoked(status: str) -> Maker:
    def make(bench: Bench) -> Case:
        serial = parse_certificate(bench.phone.attester.chain[0]).serial
        return replace(_good(bench), collateral=Collateral(status_list({serial: status}, fetched_at=bench.now)))

    return make


def _status_fetched(age: timedelta) -> Maker:
    return lambda bench: replace(_good(bench), collateral=Collateral(status_list({}, fetched_at=bench.now - age)))


def _at(shift: timedelta) -> Maker:
    def make(bench: Bench) -> Case:
        at = bench.now + shift
        return replace(_good(bench), at=at, collateral=Collateral(status_list({}, fetched_at=at)))

    return make


def _with_expectation(expectation: Expectation) -> Maker:
    return lambda bench: replace(_good(bench), expectation=expectation)


def _app(package: str) -> AllowedApp:
    return AllowedApp(package, frozenset({bytes(32)}))


BROKEN: Final[dict[str, tuple[Reason, Maker]]] = {
    # bytes
    "no certificate": (Reason.MALFORMED, _chain(lambda _: ())),
    "garbage": (Reason.MALFORMED, _chain(lambda chain: (b"\x30\x80garbage", *chain))),
    "trailing bytes": (Reason.MALFORMED, _chain(lambda chain: (chain[0] + b"\x00", *chain[1:]))),
    "truncated": (Reason.MALFORMED, _chain(lambda chain: (chain[0][:-1], *chain[1:]))),
    "oversize": (Reason.MALFORMED, _chain(lambda chain: (*chain, bytes(64 * 1024)))),
    "too many certificates": (Reason.MALFORMED, _chain(lambda chain: (*chain, *chain))),
    "extension twice": (Reason.MALFORMED, _leaf(extensions=lambda description: (description, description))),
    # chain
    "leaf only": (Reason.INCOMPLETE_CHAIN, _chain(lambda chain: chain[:1])),
    "root missing": (Reason.INCOMPLETE_CHAIN, _chain(lambda chain: chain[:-1])),
    "intermediate missing": (Reason.BROKEN_CHAIN, _chain(lambda chain: chain[:2] + chain[3:])),
    "order reversed": (Reason.BROKEN_CHAIN, _chain(lambda chain: (*chain[-2::-1], chain[-1]))),
    "foreign leaf": (Reason.BROKEN_CHAIN, _foreign_leaf),
    "signature bit": (Reason.BAD_SIGNATURE, _chain(lambda chain: (flip_bit(chain[0], octet=-1), *chain[1:]))),
    "root signature bit": (Reason.BAD_SIGNATURE, _chain(lambda chain: (*chain[:-1], flip_bit(chain[-1], octet=-1)))),
    "wrong signer": (Reason.BAD_SIGNATURE, _wrong_signer),
    "SHA-1 signature": (Reason.UNSUPPORTED_ALGORITHM, _sha1),
    "weak root key": (Reason.WEAK_KEY, _weak_root),
    "untrusted root": (Reason.UNTRUSTED_ROOT, _untrusted),
    "no anchors": (Reason.UNTRUSTED_ROOT, lambda bench: replace(_good(bench), anchors=Anchors(()))),
    "chain extended": (
        Reason.CHAIN_EXTENDED,
        lambda bench: replace(_good(bench), evidence=extend_chain(bench.phone, CHALLENGE)),
    ),
    "issuer is no CA": (
        Reason.ISSUER_NOT_CA,
        _attester(lambda bench: _below(bench, extensions=(key_usage(DIGITAL_SIGNATURE),))),
    ),
    "CA below its path length": (
        Reason.ISSUER_NOT_CA,
        _attester(lambda bench: _below(bench, extensions=ca_extensions())),
    ),
    "no key description": (Reason.MISSING_EXTENSION, _leaf(extensions=lambda _: ())),
    # time and binding
    "expired": (Reason.EXPIRED, _at(timedelta(days=10))),
    "not yet valid": (Reason.NOT_YET_VALID, _at(timedelta(days=-6))),
    "another challenge": (Reason.CHALLENGE_MISMATCH, _with_expectation(Expectation(b"another challenge"))),
    "another key": (
        Reason.KEY_MISMATCH,
        lambda bench: replace(
            _good(bench), expectation=Expectation(CHALLENGE, key_spki=spki_of(new_key(KeyKind.EC_P256)))
        ),
    ),
    # hardware
    "software level": (Reason.SOFTWARE_LEVEL, _state(level=SecurityLevel.SOFTWARE)),
    "imported key": (Reason.KEY_NOT_GENERATED, _state(origin=IMPORTED)),
    "origin not in hardware": (Reason.KEY_NOT_GENERATED, _state(origin=None)),
    # policy
    "attest key": (
        Reason.ATTESTATION_EXTENSION_IN_NON_LEAF,
        lambda bench: replace(_good(bench), evidence=bench.phone.attest_through_attest_key(CHALLENGE)),
    ),
    "revoked": (Reason.REVOKED, _revoked("REVOKED")),
    "suspended": (Reason.SUSPENDED, _revoked("SUSPENDED")),
    "no status list": (Reason.STATUS_LIST_MISSING, lambda bench: replace(_good(bench), collateral=Collateral())),
    "old status list": (Reason.STATUS_LIST_STALE, _status_fetched(timedelta(days=2))),
    "status list from the future": (Reason.STATUS_LIST_STALE, _status_fetched(timedelta(hours=-1))),
    "levels differ": (Reason.LEVEL_MISMATCH, _state(keymint_level=SecurityLevel.STRONGBOX)),
    "level not allowed": (Reason.LEVEL_NOT_ALLOWED, _policy(levels=frozenset({SecurityLevel.STRONGBOX}))),
    "StrongBox not certified": (Reason.LEVEL_NOT_CERTIFIED, _state(level=SecurityLevel.STRONGBOX)),
    "factory keys only": (
        Reason.PROVISIONING_NOT_ALLOWED,
        _policy(provisioning=frozenset({Provisioning.FACTORY})),
    ),
    "no root of trust": (Reason.ROOT_OF_TRUST_MISSING, _state(root_of_trust=False)),
    "unlocked": (Reason.UNLOCKED_BOOTLOADER, _state(locked=False, boot=BootVerification.UNVERIFIED)),
    "boot not verified": (Reason.BOOT_NOT_VERIFIED, _state(boot=BootVerification.FAILED)),
    "own system": (Reason.BOOT_KEY_NOT_ALLOWED, _state(boot=BootVerification.SELF_SIGNED)),
    "old system patches": (Reason.OS_PATCH_TOO_OLD, _policy(min_os_patch_level=999912)),
    "old vendor patches": (Reason.VENDOR_PATCH_TOO_OLD, _policy(min_vendor_patch_level=99991231)),
    "old boot patches": (Reason.BOOT_PATCH_TOO_OLD, _policy(min_boot_patch_level=999912)),
    "wrong purpose": (Reason.PURPOSE_NOT_ALLOWED, _policy(purposes=frozenset({"AGREE_KEY"}))),
    "another app": (Reason.APP_NOT_ALLOWED, _policy(apps=(_app("org.example.other"),))),
    "another signer": (Reason.APP_NOT_ALLOWED, _policy(apps=(_app("org.example.virtual"),))),
    "tags out of order": (
        Reason.TAGS_UNORDERED,
        lambda bench: replace(
            _good(bench, reverse_tags=True), policy=Policy(android=AndroidPolicy(require_ordered_tags=True))
        ),
    ),
}
