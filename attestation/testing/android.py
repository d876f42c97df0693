"""Android phones of the catalogue: good ones of both kinds of provisioning, and every way to cheat."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from attestation.claims import SecurityLevel
from attestation.policy import AndroidPolicy, Policy, Provisioning
from attestation.testing.broken import broken_variants, good_case
from attestation.testing.certificates import KeyKind
from attestation.testing.phone import VirtualPhone
from attestation.testing.variant import Good, Variant
from attestation.testing.vendor import VirtualVendor


def good(now: datetime) -> Iterator[Good]:
    vendor = VirtualVendor.create(now=now)
    for provisioning in (Provisioning.FACTORY, Provisioning.REMOTE):
        for level in (SecurityLevel.TEE, SecurityLevel.STRONGBOX):
            phone = VirtualPhone.create(vendor, now=now, provisioning=provisioning, level=level)
            yield Good(f"{provisioning} {level}", good_case(vendor, phone, now=now))
    post_quantum = VirtualPhone.create(vendor, now=now, key_kind=KeyKind.ML_DSA_65)
    yield Good("ML-DSA-65 key", good_case(vendor, post_quantum, now=now))
    phone = VirtualPhone.create(vendor, now=now)
    case = good_case(vendor, phone, now=now)
    chain = phone.attest_through_attest_key(case.expectation.challenge)
    allowed = Policy("attest keys allowed", AndroidPolicy(allow_attest_keys=True))
    yield Good("through an attest key, by policy", replace(case, evidence=chain, policy=allowed))


def broken(now: datetime) -> Iterator[Variant]:
    vendor = VirtualVendor.create(now=now)
    yield from broken_variants(vendor, VirtualPhone.create(vendor, now=now), now=now)
