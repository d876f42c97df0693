"""SEV-SNP machines that must be accepted: all products, both kinds of keys, all ways to send the chain."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from hashlib import sha512
from typing import Final
from uuid import UUID

from attestation.case import Case
from attestation.formats import sev_snp_table as table
from attestation.formats.sev_snp_evidence import evidence, extended_report_evidence
from attestation.formats.sev_snp_report import GuestPolicy, PlatformInfo, SigningKey
from attestation.formats.sev_snp_tcb import Product
from attestation.model import Collateral, Expectation
from attestation.policy import Policy
from attestation.policy_amd import AmdSevSnpPolicy, TcbFloor
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.testing.snp_machine import SnpMachine
from attestation.testing.variant import Good

CHALLENGE: Final = b"challenge of the evidence factory"


def good_case(machine: SnpMachine, *, now: datetime) -> Case:
    """Evidence of this machine with all that is needed to accept it: anchors, an empty CRL, policy."""
    return Case(
        evidence=machine.attest(CHALLENGE),
        expectation=Expectation(CHALLENGE),
        anchors=machine.amd.anchors,
        collateral=Collateral(amd=machine.amd.collateral()),
        policy=Policy(),
        at=now,
    )


def certificate_table(entries: dict[UUID, bytes]) -> bytes:
    """The table a host lays beside a report."""
    start = (len(entries) + 1) * table.ENTRY_BYTES
    head, body = b"", b""
    for kind, data in entries.items():
        head += kind.bytes + (start + len(body)).to_bytes(4, "little") + len(data).to_bytes(4, "little")
        body += data
    return head + bytes(table.ENTRY_BYTES) + body


def good(now: datetime) -> Iterator[Good]:
    for product in Product:
        for version in (2, 3, 5):
            if version > 2 or product is Product.MILAN:
                machine = SnpMachine.create(product, now=now, version=version)
                yield Good(f"{product} VCEK version {version}", good_case(machine, now=now))
        leased = SnpMachine.create(product, now=now, kind=SigningKey.VLEK)
        yield Good(f"{product} VLEK", good_case(leased, now=now))
    machine = SnpMachine.create(Product.GENOA, now=now)
    case = good_case(machine, now=now)
    without_crl = Policy(amd_sev_snp=AmdSevSnpPolicy(allow_missing_crl=True, allow_key_only=True))
    report = machine.report(CHALLENGE)
    alone = evidence(report=report, certificates=(machine.certificate,))
    yield Good("endorsement key and report alone", replace(case, evidence=alone, policy=without_crl))
    key_only = evidence(report=None, certificates=(machine.certificate,))
    yield Good("endorsement key alone", replace(case, evidence=key_only, policy=without_crl))
    without_root = evidence(report=report, certificates=(machine.certificate, machine.amd.signer(SigningKey.VCEK)))
    yield Good("chain without root", replace(case, evidence=without_root))
    signer, root = machine.amd.chain(SigningKey.VCEK)
    entries = {table.VCEK: machine.certificate, table.ASK: signer, table.ARK: root}
    extended = extended_report_evidence(report + certificate_table(entries))
    yield Good("extended report", replace(case, evidence=extended))
    key = spki_of(new_key(KeyKind.EC_P256))
    bound = machine.attest(sha512(CHALLENGE + key).digest())
    yield Good("enrols a key", replace(case, evidence=bound, expectation=Expectation(CHALLENGE, key)))
    yield Good("every rule of the policy", replace(case, policy=Policy(amd_sev_snp=demanding_policy(machine))))


def demanding_policy(machine: SnpMachine) -> AmdSevSnpPolicy:
    """A policy with all reference values set to what this machine reports."""
    fields = machine.fields
    return AmdSevSnpPolicy(
        products=frozenset({machine.endorsed.product}),
        keys=frozenset({machine.endorsed.kind}),
        tcb_floors=(TcbFloor(machine.endorsed.product, machine.endorsed.tcb),),
        required_guest_policy=GuestPolicy.SMT,
        min_abi=(0, 0x1F),
        required_platform=PlatformInfo.ALIAS_CHECK_COMPLETE,
        vmpls=frozenset({0}),
        min_guest_svn=1,
        measurements=frozenset({fields.measurement}),
        host_data=frozenset({fields.host_data}),
        id_key_digests=frozenset({fields.id_key_digest}),
        author_key_digests=frozenset({fields.author_key_digest}),
        family_ids=frozenset({fields.family_id}),
        image_ids=frozenset({fields.image_id}),
        chip_ids=frozenset({fields.chip_id}),
    )
