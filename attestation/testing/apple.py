"""App Attest attestations of the catalogue: good ones, and every way to cheat."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import cbor2

from attestation.case import Case
from attestation.formats import apple_app_attest
from attestation.formats.apple_attestation_object import DEVELOPMENT
from attestation.model import Anchors, Collateral, Evidence, Expectation, Part
from attestation.policy import Policy
from attestation.policy_apple import ApplePolicy
from attestation.reasons import Reason
from attestation.testing.apple_device import AppInstance, AppState, VirtualApple, new_p256
from attestation.testing.authenticator import subject_of
from attestation.testing.certificates import spki_of
from attestation.testing.phone import Issuer
from attestation.testing.variant import Good, Variant

CLIENT_DATA: Final = b"client data of the evidence factory"
OTHER_DATA: Final = b"something else that the app wants to bind"
APP_ID: Final = AppState().app_id


@dataclass(frozen=True, slots=True)
class Bench:
    """What makers work with."""

    apple: VirtualApple
    app: AppInstance

    @classmethod
    def create(cls, now: datetime) -> "Bench":
        apple = VirtualApple.create(now=now)
        return cls(apple, AppInstance.create(apple))


Maker = Callable[[Bench], Case]


def case_of(bench: Bench, evidence: Evidence, **expectation: Any) -> Case:
    """A careful relying party: its own app only, production only."""
    policy = Policy(apple=ApplePolicy(app_ids=frozenset({APP_ID})))
    known = Expectation(CLIENT_DATA, **expectation)
    return Case(evidence, known, bench.apple.anchors, Collateral(), policy, bench.apple.now)


def good(now: datetime) -> Iterator[Good]:
    bench = Bench.create(now)
    app = bench.app
    yield Good("production", case_of(bench, app.attest(CLIENT_DATA)))
    yield Good("attested key named", case_of(bench, app.attest(CLIENT_DATA), key_spki=app.spki))
    asserted = app.sign(OTHER_DATA, counter=1), OTHER_DATA
    with_assertion = app.attest(CLIENT_DATA, assertion=asserted)
    yield Good("asserted key named", case_of(bench, with_assertion, key_spki=OTHER_DATA, last_counter=0))
    development = case_of(bench, app.changed(aaguid=DEVELOPMENT).attest(CLIENT_DATA))
    policy = ApplePolicy(app_ids=frozenset({APP_ID}), allow_development=True)
    yield Good("development allowed", replace(development, policy=Policy(apple=policy)))
    yield Good("no receipt", case_of(bench, app.changed(receipt=None).attest(CLIENT_DATA)))


def broken(now: datetime) -> Iterator[Variant]:
    bench = Bench.create(now)
    for name, (reason, make) in BROKEN.items():
        yield Variant(name, reason, make(bench))


def _state(**state: Any) -> Maker:
    return lambda bench: case_of(bench, bench.app.changed(**state).attest(CLIENT_DATA))


def _object(change: Callable[[dict[str, Any]], Any]) -> Maker:
    """Change the decoded attestation object; the function may change it in place or return another."""

    def make(bench: Bench) -> Case:
        content = cbor2.loads(bench.app.attestation_object(CLIENT_DATA))
        changed = change(content)
        return case_of(bench, apple_app_attest.evidence(cbor2.dumps(content if changed is None else changed)))

    return make


def _bytes(change: Callable[[bytes], bytes]) -> Maker:
    return lambda bench: case_of(bench, apple_app_attest.evidence(change(bench.app.attestation_object(CLIENT_DATA))))


def _apple(change: Callable[[VirtualApple], VirtualApple]) -> Maker:
    """The same app under another Apple, judged with the anchors of the first."""

    def make(bench: Bench) -> Case:
        app = replace(bench.app, apple=change(bench.apple))
        return case_of(bench, app.attest(CLIENT_DATA))

    return make


def _at(shift: timedelta) -> Maker:
    return lambda bench: replace(_state()(bench), at=bench.apple.now + shift)


def _expect(challenge: bytes = CLIENT_DATA, **known: Any) -> Maker:
    return lambda bench: replace(_state()(bench), expectation=Expectation(challenge, **known))


def _policy(**apple: Any) -> Maker:
    return lambda bench: replace(_state(receipt=None)(bench), policy=Policy(apple=ApplePolicy(**apple)))


def _signed_by(counter: int, *, last_counter: int, other: bool = False, app_id: str = APP_ID) -> Maker:
    """An attestation with an assertion."""

    def make(bench: Bench) -> Case:
        app = replace(bench.app, key=new_p256()) if other else bench.app
        asserted = app.changed(app_id=app_id).sign(OTHER_DATA, counter=counter), OTHER_DATA
        return case_of(bench, bench.app.attest(CLIENT_DATA, assertion=asserted), last_counter=last_counter)

    return make


def _leaf_as_issuer(bench: Bench) -> Case:
    """A genuine attested key issues one more leaf."""
    chain = bench.app.chain(bytes(32))
    issuer = Issuer(b"", bench.app.key, chain)
    subject = subject_of(chain[0])
    apple = replace(bench.apple, issuer=replace(issuer, subject=subject))
    return case_of(bench, AppInstance(apple, new_p256(), bench.app.state).attest(CLIENT_DATA))


def _drop_issuer(content: dict[str, Any]) -> None:
    content["attStmt"]["x5c"] = content["attStmt"]["x5c"][:1]


def _swap_leaf(content: dict[str, Any]) -> None:
    first, second = content["attStmt"]["x5c"]
    content["attStmt"]["x5c"] = [first, first, second]


def _cut_receipt(content: dict[str, Any]) -> None:
    content["attStmt"]["receipt"] = content["attStmt"]["receipt"][:-9]


BROKEN: Final[dict[str, tuple[Reason, Maker]]] = {
    # bytes
    "empty": (Reason.MALFORMED, _bytes(lambda _: b"")),
    "trailing byte": (Reason.MALFORMED, _bytes(lambda data: data + b"\x00")),
    "cut short": (Reason.MALFORMED, _bytes(lambda data: data[:-1])),
    "oversize": (Reason.MALFORMED, _bytes(lambda data: data + bytes(64 * 1024))),
    "field twice": (Reason.MALFORMED, _bytes(lambda data: b"\xa4" + cbor2.dumps("fmt") + cbor2.dumps("x") + data[1:])),
    "unknown field": (Reason.MALFORMED, _object(lambda content: content | {"more": 1})),
    "another part": (
        Reason.MALFORMED,
        lambda bench: case_of(
            bench, replace(bench.app.attest(CLIENT_DATA), parts=(*bench.app.attest(CLIENT_DATA).parts, Part("x", b"")))
        ),
    ),
    "another format": (Reason.WRONG_TYPE, _state(fmt="apple")),
    # chain
    "leaf only": (Reason.INCOMPLETE_CHAIN, _object(_drop_issuer)),
    "leaf twice": (Reason.BROKEN_CHAIN, _object(_swap_leaf)),
    "another root": (Reason.UNTRUSTED_ROOT, _apple(lambda apple: VirtualApple.create(now=apple.now))),
    "no anchors": (Reason.UNTRUSTED_ROOT, lambda bench: replace(_state()(bench), anchors=Anchors(()))),
    "root of receipts": (
        Reason.UNTRUSTED_ROOT,
        lambda bench: replace(_state()(bench), anchors=Anchors((bench.apple.receipt_anchor,))),
    ),
    "issued by an attested key": (Reason.ISSUER_NOT_CA, _leaf_as_issuer),
    "issuer's name on another key": (
        Reason.BAD_SIGNATURE,
        _apple(lambda apple: replace(apple, issuer=replace(apple.issuer, key=new_p256()))),
    ),
    # binding
    "no nonce": (Reason.MISSING_EXTENSION, _state(write_nonce=False)),
    "another nonce": (Reason.NONCE_MISMATCH, _state(nonce=sha256(b"another").digest())),
    "another client data": (Reason.NONCE_MISMATCH, _expect(b"another client data")),
    "short nonce": (Reason.NONCE_MISMATCH, _state(nonce=b"")),
    "another credential id": (Reason.BAD_BINDING, _state(credential_id=bytes(32))),
    "another credential key": (
        Reason.BAD_BINDING,
        _state(credential_key=new_p256()),
    ),
    "another key id": (
        Reason.KEY_MISMATCH,
        lambda bench: case_of(
            bench, apple_app_attest.evidence(bench.app.attestation_object(CLIENT_DATA), key_id=bytes(32))
        ),
    ),
    "another key to enrol": (Reason.KEY_MISMATCH, _expect(key_spki=spki_of(new_p256()))),
    "used before": (Reason.COUNTER_NOT_ZERO, _state(counter=1)),
    "AAGUID of nobody": (Reason.WRONG_TYPE, _state(aaguid=b"appattestunknown")),
    # assertion with it
    "assertion by another key": (Reason.BAD_SIGNATURE, _signed_by(1, last_counter=0, other=True)),
    "assertion by another app": (Reason.BAD_BINDING, _signed_by(1, last_counter=0, app_id="ABCDE12345.org.other")),
    "assertion seen before": (Reason.COUNTER_NOT_GREATER, _signed_by(1, last_counter=1)),
    # dates
    "expired": (Reason.EXPIRED, _at(timedelta(days=301))),
    "not yet valid": (Reason.NOT_YET_VALID, _at(timedelta(days=-2))),
    # receipt
    "receipt cut short": (Reason.BAD_RECEIPT, _object(_cut_receipt)),
    "receipt of another key": (Reason.BAD_RECEIPT, _state(receipt={"certificate": b"\x30\x00"})),
    "receipt of another app": (Reason.BAD_RECEIPT, _state(receipt={"app_id": "ABCDE12345.org.other"})),
    "receipt of another client data": (Reason.BAD_RECEIPT, _state(receipt={"client_data_hash": bytes(32)})),
    "receipt by nobody": (
        Reason.BAD_RECEIPT,
        _apple(lambda apple: replace(VirtualApple.create(now=apple.now), root=apple.root, issuer=apple.issuer)),
    ),
    # policy
    "another app": (Reason.APP_ID_MISMATCH, _state(app_id="ABCDE12345.org.other")),
    "development": (Reason.DEV_ENVIRONMENT, _state(aaguid=DEVELOPMENT)),
    "receipt demanded": (Reason.RECEIPT_MISSING, _policy(require_receipt=True)),
}
