"""How registrations are made wrong: each function gives a maker, which is given a bench and makes the whole case."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from attestation import cose_key as cose
from attestation.case import Case
from attestation.formats import webauthn
from attestation.model import Anchors, Collateral, Evidence, Expectation
from attestation.policy import AndroidPolicy
from attestation.policy_webauthn import WebAuthnPolicy
from attestation.testing import fido_metadata
from attestation.testing import webauthn_statements as statements
from attestation.testing.authenticator import CredentialKey, virtual_root
from attestation.testing.certificates import sign
from attestation.testing.webauthn import CHALLENGE, STRICT, Bench, case_of, evidence_of
from attestation.testing.webauthn_authenticator import AAGUID, CeremonyState, VirtualMakers

Maker = Callable[[Bench], Case]


def make(kind: str, policy: WebAuthnPolicy = STRICT, **how: Any) -> Maker:
    return lambda bench: case_of(bench, evidence_of(bench, kind, **how), policy)


def say(policy: WebAuthnPolicy = STRICT, *, key: CredentialKey | None = None, **state: Any) -> Maker:
    """Browser or authenticator say something else."""
    return make("packed", policy, key=key, state=CeremonyState(**state))


def self_attested(policy: WebAuthnPolicy = STRICT, **how: Any) -> Maker:
    return make("packed", policy, make=statements.self_attested, **how)


def changed_bytes(change: Callable[[bytes, bytes], tuple[bytes, bytes]]) -> Maker:
    """Change attestation object and client data."""

    def build(bench: Bench) -> Case:
        first, second = (part.data for part in evidence_of(bench, "packed").parts)
        return case_of(bench, webauthn.evidence(*change(first, second)))

    return build


def changed_parts(change: Callable[[Evidence], Evidence]) -> Maker:
    return lambda bench: case_of(bench, change(evidence_of(bench, "packed")))


def changed_field(kind: str, **fields: Any) -> Maker:
    """Other fields in the statement; None takes one away."""

    def change(content: dict[str, Any]) -> None:
        changed = content["attStmt"] | fields
        content["attStmt"] = {name: value for name, value in changed.items() if value is not None}

    return make(kind, change=change)


def changed_data(change: Callable[[bytes], bytes], kind: str = "packed") -> Maker:
    """Other authenticator data than was signed."""
    return make(kind, change=lambda content: content | {"authData": change(content["authData"])})


def flip(data: bytes, octet: int) -> bytes:
    return data[:octet] + bytes([data[octet] ^ 1]) + data[octet + 1 :]


def expecting(challenge: bytes = CHALLENGE, **known: Any) -> Maker:
    return lambda bench: replace(make("packed")(bench), expectation=Expectation(challenge, **known))


def at(shift: timedelta, kind: str = "packed") -> Maker:
    return lambda bench: replace(make(kind)(bench), at=bench.now + shift)


def anchored_for(bench: Bench, kind: str, use: str) -> Case:
    """The root counts, but for statements of another kind."""
    case = make(kind)(bench)
    moved = tuple(replace(item, uses=frozenset({use})) for item in case.anchors.items)
    return replace(case, anchors=Anchors(moved))


def elsewhere(kind: str) -> Maker:
    """Authenticators of other makers."""

    def build(bench: Bench) -> Case:
        return case_of(bench, evidence_of(Bench(VirtualMakers.create(now=bench.now)), kind))

    return build


def android_policy(policy: AndroidPolicy, **how: Any) -> Maker:
    def build(bench: Bench) -> Case:
        case = make("android-key", **how)(bench)
        return replace(case, policy=replace(case.policy, android=policy))

    return build


def with_metadata(*statuses: str, policy: WebAuthnPolicy = STRICT, effective: date | None = None, **how: Any) -> Maker:
    def build(bench: Bench) -> Case:
        entry = fido_metadata.entry(AAGUID, *statuses, effective=effective)
        blob = fido_metadata.metadata(bench.makers.roots["metadata"], [entry], now=bench.now, **how)
        return case_of(bench, evidence_of(bench, "packed"), policy, fido_metadata=blob)

    return build


def foreign_metadata(bench: Bench) -> Case:
    blob = fido_metadata.metadata(
        virtual_root("nobody"), [fido_metadata.entry(AAGUID, "FIDO_CERTIFIED")], now=bench.now
    )
    return case_of(bench, evidence_of(bench, "packed"), fido_metadata=blob)


def app_key_as_security_key(bench: Bench) -> Case:
    """An app on a genuine phone writes a packed statement with an attested key of its own; the phone's root stands in
    the metadata of the model it names.
    """
    made = bench.makers.phone.generate_key(b"any challenge")
    registration = bench.makers.register(CHALLENGE)
    chain = list(made.evidence.named("certificate"))
    signature = sign(made.private_key, registration.signed)
    entry = fido_metadata.entry(AAGUID, "FIDO_CERTIFIED", roots=(bench.makers.android.certificate,))
    blob = fido_metadata.metadata(bench.makers.roots["metadata"], [entry], now=bench.now)
    evidence = registration.evidence("packed", {"alg": cose.ES256, "sig": signature, "x5c": chain})
    return case_of(bench, evidence, fido_metadata=blob)


def root_as_credential(bench: Bench) -> Case:
    """A certificate for the root's own key, made by nobody, with a true nonce: the nonce proves nothing then."""
    registration = bench.makers.register(CHALLENGE, key=bench.makers.roots["apple"].key)
    makers = replace(bench.makers, roots=bench.makers.roots | {"apple": virtual_root("nobody")})
    _, fields = statements.apple(replace(registration, makers=makers))
    fields["x5c"] = fields["x5c"][:1]
    return case_of(bench, registration.evidence("apple", fields))


def without_root(bench: Bench) -> Case:
    """Android statements whose phone's root was cut away: its key still signed the last certificate."""
    return make("android-key", change=_cut_root)(bench)


def _cut_root(content: dict[str, Any]) -> None:
    content["attStmt"]["x5c"] = content["attStmt"]["x5c"][:-1]


def no_status_list(bench: Bench) -> Case:
    return replace(make("android-key")(bench), collateral=Collateral())
