"""WebAuthn registrations of the catalogue: good ones of all kinds and algorithms. Wrong ones: webauthn_broken."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa

from attestation import cose_key as cose
from attestation.case import Case
from attestation.claims import SecurityLevel
from attestation.formats import webauthn
from attestation.model import Collateral, Evidence, Expectation
from attestation.policy import Policy
from attestation.policy_webauthn import WebAuthnPolicy
from attestation.testing import fido_metadata
from attestation.testing import webauthn_statements as statements
from attestation.testing.authenticator import CredentialKey, root_certificate, virtual_root
from attestation.testing.variant import Good
from attestation.testing.vendor import status_list
from attestation.testing.webauthn_authenticator import AAGUID, ORIGIN, RP_ID, CeremonyState, VirtualMakers
from attestation.testing.webauthn_statements import Make
from attestation.tpm_structures import ObjectAttribute

CHALLENGE: Final = b"challenge of the evidence factory"
STRICT: Final = WebAuthnPolicy(rp_ids=frozenset({RP_ID}), origins=frozenset({ORIGIN}))

KINDS: Final[dict[str, Make]] = {
    "android-key": statements.android_key,
    "apple": statements.apple,
    "fido-u2f": statements.u2f,
    "packed": statements.packed,
    "tpm": statements.tpm,
}
KEYS: Final[dict[str, Callable[[], CredentialKey]]] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
}


@dataclass(frozen=True, slots=True)
class Bench:
    """What makers work with."""

    makers: VirtualMakers

    @property
    def now(self) -> datetime:
        return self.makers.now


def evidence_of(
    bench: Bench,
    kind: str,
    *,
    key: CredentialKey | None = None,
    state: CeremonyState | None = None,
    make: Make | None = None,
    change: Callable[[dict[str, Any]], Any] | None = None,
    **statement: Any,
) -> Evidence:
    """A registration of this kind. `change` is given the finished attestation object, decoded, and may change it in
    place or return another; further arguments go to the maker of the statement.
    """
    registration = bench.makers.register(CHALLENGE, key=key, state=state)
    registration, fields = (make or KINDS[kind])(registration, **statement)
    content: dict[str, Any] = {"fmt": kind, "attStmt": fields, "authData": registration.data}
    changed = change(content) if change else None
    return webauthn.evidence(cbor2.dumps(content if changed is None else changed), registration.client_data)


def case_of(bench: Bench, evidence: Evidence, policy: WebAuthnPolicy = STRICT, **collateral: Any) -> Case:
    """A careful relying party: its own id and origin, a fresh status list for Android."""
    known = Collateral(android_status=status_list({}, fetched_at=bench.now), **collateral)
    policies = Policy(webauthn=policy)
    return Case(evidence, Expectation(CHALLENGE), bench.makers.anchors, known, policies, bench.now)


def good(now: datetime) -> Iterator[Good]:
    bench = Bench(VirtualMakers.create(now=now))
    for kind in KINDS:
        yield Good(kind, case_of(bench, evidence_of(bench, kind)))
    for name, new in KEYS.items():
        yield Good(f"packed {name}", case_of(bench, evidence_of(bench, "packed", key=new())))
        own = evidence_of(bench, "packed", key=new(), make=statements.self_attested)
        yield Good(f"self {name}", case_of(bench, own, replace(STRICT, allow_self_attestation=True)))
    yield Good("tpm with SHA-1", case_of(bench, evidence_of(bench, "tpm", algorithm=cose.RS1)))
    loose = evidence_of(bench, "tpm", attributes=ObjectAttribute.SIGN)
    yield Good("tpm key unprotected", case_of(bench, loose, replace(STRICT, allow_unprotected_tpm_keys=True)))
    software = evidence_of(bench, "android-key", level=SecurityLevel.SOFTWARE)
    yield Good("android in software", case_of(bench, software, replace(STRICT, allow_software_android_keys=True)))
    yield from _with_metadata(bench)


def _with_metadata(bench: Bench) -> Iterator[Good]:
    """Metadata with a good status, and with the only root that the model's attestations end in."""
    root = bench.makers.roots["metadata"]
    certified = fido_metadata.metadata(root, [fido_metadata.entry(AAGUID, "FIDO_CERTIFIED_L2")], now=bench.now)
    policy = replace(STRICT, require_metadata=True, certification_levels=frozenset({"FIDO_CERTIFIED_L2"}))
    evidence = evidence_of(bench, "packed")
    yield Good("certified", case_of(bench, evidence, policy, fido_metadata=certified))
    unknown = virtual_root("Root known to FIDO")
    makers = replace(bench.makers, roots=bench.makers.roots | {"keys": unknown})
    entry = fido_metadata.entry(AAGUID, "FIDO_CERTIFIED", roots=(root_certificate(unknown, now=bench.now),))
    listed = fido_metadata.metadata(root, [entry], now=bench.now)
    yield Good("root from metadata", case_of(bench, evidence_of(Bench(makers), "packed"), fido_metadata=listed))
