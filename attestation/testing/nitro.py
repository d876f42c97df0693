"""Nitro enclaves of the catalogue: good ones, and every way to cheat."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import cbor2

from attestation.case import Case
from attestation.formats.nitro import DOCUMENT, evidence
from attestation.model import Anchors, Collateral, Evidence, Expectation, Format, Part
from attestation.policy import Policy
from attestation.policy_aws import AwsNitroPolicy, ExpectedPcr
from attestation.reasons import Reason
from attestation.testing.broken import flip_bit
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.testing.nitro_enclave import LEAF_NAME, PCRS, TAG_18, NitroEnclave
from attestation.testing.variant import Good, Variant

CHALLENGE: Final = b"challenge of the evidence factory"
DEBUG_PCRS: Final = PCRS | {0: bytes(48), 1: bytes(48), 2: bytes(48)}


def good_case(enclave: NitroEnclave, *, now: datetime) -> Case:
    """A document of this enclave with all that is needed to accept it."""
    return Case(
        evidence=enclave.attest(CHALLENGE),
        expectation=Expectation(CHALLENGE),
        anchors=enclave.anchors,
        collateral=Collateral(),
        policy=Policy(),
        at=now,
    )


def good(now: datetime) -> Iterator[Good]:
    enclave = NitroEnclave.create(now=now)
    case = good_case(enclave, now=now)
    yield Good("untagged", case)
    (document,) = case.evidence.named(DOCUMENT)
    yield Good("tagged", replace(case, evidence=evidence(TAG_18 + document)))
    indefinite = enclave.sign(_indefinite(enclave.document(nonce=CHALLENGE)))
    yield Good("map without its length", replace(case, evidence=evidence(indefinite)))
    extended = enclave.attest(CHALLENGE, field_of_tomorrow=1)
    yield Good("a field nobody knows yet", replace(case, evidence=extended))
    key = spki_of(new_key(KeyKind.EC_P256))
    bound = enclave.attest(CHALLENGE, public_key=key)
    yield Good("enrols a key", replace(case, evidence=bound, expectation=Expectation(CHALLENGE, key)))
    pcrs = tuple(ExpectedPcr(index, frozenset({PCRS[index]})) for index in (0, 1, 2, 3, 4, 8))
    yield Good("expected registers", replace(case, policy=Policy(aws_nitro=AwsNitroPolicy(pcrs=pcrs))))
    without_nonce = Policy(aws_nitro=AwsNitroPolicy(allow_missing_nonce=True))
    yield Good("no nonce", replace(case, evidence=enclave.attest(None), policy=without_nonce))


def broken(now: datetime) -> Iterator[Variant]:
    bench = Bench(NitroEnclave.create(now=now), now)
    for name, (reason, make) in BROKEN.items():
        yield Variant(name, reason, make(bench))


@dataclass(frozen=True, slots=True)
class Bench:
    """What makers work with."""

    enclave: NitroEnclave
    now: datetime

    def case(self, found: Evidence | None = None) -> Case:
        case = good_case(self.enclave, now=self.now)
        return case if found is None else replace(case, evidence=found)


Maker = Callable[[Bench], Case]


def _indefinite(fields: dict[str, Any]) -> bytes:
    """A map that ends with a break."""
    return b"\xbf" + b"".join(cbor2.dumps(item) for pair in fields.items() for item in pair) + b"\xff"


def _fields(**fields: Any) -> Maker:
    """A properly signed document with other fields."""
    return lambda bench: bench.case(bench.enclave.attest(CHALLENGE, **fields))


def _bytes(change: Callable[[bytes], bytes]) -> Maker:
    def make(bench: Bench) -> Case:
        (document,) = bench.case().evidence.named(DOCUMENT)
        return bench.case(evidence(change(document)))

    return make


def _headers(**headers: Any) -> Maker:
    def make(bench: Bench) -> Case:
        payload = cbor2.dumps(bench.enclave.document(nonce=CHALLENGE))
        return bench.case(evidence(bench.enclave.sign(payload, **headers)))

    return make


def _message(change: Callable[[list[Any]], list[Any]]) -> Maker:
    """The four fields of the message, changed after it was signed."""
    return _bytes(lambda document: cbor2.dumps(change(cbor2.loads(document))))


def _bundle(change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]) -> Maker:
    def make(bench: Bench) -> Case:
        return bench.case(bench.enclave.attest(CHALLENGE, cabundle=list(change(bench.enclave.cabundle))))

    return make


def _policy(**rules: Any) -> Maker:
    return lambda bench: replace(bench.case(), policy=Policy(aws_nitro=AwsNitroPolicy(**rules)))


def _field_twice(bench: Bench) -> Case:
    fields = bench.enclave.document(nonce=CHALLENGE)
    payload = cbor2.dumps(fields)
    doubled = bytes([payload[0] + 1]) + payload[1:] + cbor2.dumps("nonce") + cbor2.dumps(CHALLENGE)
    return bench.case(evidence(bench.enclave.sign(doubled)))


def _wrong_signer(bench: Bench) -> Case:
    other = NitroEnclave.create(now=bench.now)
    return bench.case(replace(bench.enclave, key=other.key).attest(CHALLENGE))


def _own_root(bench: Bench) -> Case:
    """A whole chain of somebody's own: the root in the bundle proves nothing."""
    return bench.case(NitroEnclave.create(now=bench.now).attest(CHALLENGE))


def _other_curve(bench: Bench) -> Case:
    return bench.case(bench.enclave.with_certificate_for(spki_of(new_key(KeyKind.EC_P256))).attest(CHALLENGE))


def _leaf_as_issuer(bench: Bench) -> Case:
    """The key of a genuine enclave signs a certificate of its own making."""
    enclave = bench.enclave
    attacker = NitroEnclave.create(now=bench.now)
    forged = replace(enclave, issuer_key=enclave.key).with_certificate_for(spki_of(attacker.key), issuer=LEAF_NAME)
    bundle = (*enclave.cabundle, enclave.certificate)
    return bench.case(replace(forged, key=attacker.key, cabundle=bundle).attest(CHALLENGE))


def _at(shift: timedelta) -> Maker:
    return lambda bench: replace(bench.case(), at=bench.now + shift)


def _made(shift: timedelta) -> Maker:
    """Another time in the document, certificates as they were."""
    return lambda bench: _fields(timestamp=int((bench.now + shift).timestamp() * 1000))(bench)


def _two_documents(bench: Bench) -> Case:
    (document,) = bench.case().evidence.named(DOCUMENT)
    return bench.case(Evidence(Format.AWS_NITRO, (Part(DOCUMENT, document),) * 2))


def _expect(index: int, digest: bytes) -> Maker:
    return _policy(pcrs=(ExpectedPcr(index, frozenset({digest})),))


BROKEN: Final[dict[str, tuple[Reason, Maker]]] = {
    # bytes
    "two documents": (Reason.MALFORMED, _two_documents),
    "oversize": (Reason.MALFORMED, _fields(user_data=bytes(16 * 1024))),
    "byte behind the document": (Reason.MALFORMED, _bytes(lambda document: document + b"\0")),
    "cut": (Reason.MALFORMED, _bytes(lambda document: document[:-1])),
    "other tag": (Reason.MALFORMED, _bytes(lambda document: b"\xd1" + document)),
    "three fields": (Reason.MALFORMED, _message(lambda fields: fields[:3])),
    "payload detached": (Reason.MALFORMED, _message(lambda fields: [*fields[:2], None, fields[3]])),
    "unprotected header": (Reason.MALFORMED, _headers(unprotected={4: b"key"})),
    "second protected header": (Reason.MALFORMED, _headers(protected=cbor2.dumps({1: -35, 4: b"key"}))),
    "field twice": (Reason.MALFORMED, _field_twice),
    "no module": (Reason.MALFORMED, _fields(module_id=...)),
    "other digest": (Reason.MALFORMED, _fields(digest="SHA256")),
    "time is text": (Reason.MALFORMED, _fields(timestamp="now")),
    "no registers": (Reason.MALFORMED, _fields(pcrs={})),
    "register 32": (Reason.MALFORMED, _fields(pcrs={32: bytes(48)})),
    "register of odd length": (Reason.MALFORMED, _fields(pcrs={0: bytes(20)})),
    "long nonce": (Reason.MALFORMED, _fields(user_data=bytes(513))),
    "long key": (Reason.MALFORMED, _fields(public_key=bytes(1025))),
    "no bundle": (Reason.MALFORMED, _fields(cabundle=[])),
    # chain
    "root missing": (Reason.INCOMPLETE_CHAIN, _bundle(lambda bundle: bundle[1:])),
    "two certificates": (Reason.INCOMPLETE_CHAIN, _bundle(lambda bundle: bundle[:1])),
    "bundle reversed": (Reason.INCOMPLETE_CHAIN, _bundle(lambda bundle: bundle[::-1])),
    "bundle out of order": (Reason.BROKEN_CHAIN, _bundle(lambda bundle: (bundle[0], *bundle[2:0:-1], bundle[3]))),
    "certificate bit": (
        Reason.BAD_SIGNATURE,
        _bundle(lambda bundle: (*bundle[:2], flip_bit(bundle[2], octet=-1), bundle[3])),
    ),
    "root of one's own": (Reason.UNTRUSTED_ROOT, _own_root),
    "no anchors": (Reason.UNTRUSTED_ROOT, lambda bench: replace(bench.case(), anchors=Anchors(()))),
    "issued by an enclave": (Reason.ISSUER_NOT_CA, _leaf_as_issuer),
    # message
    "signature bit": (Reason.BAD_SIGNATURE, _bytes(lambda document: flip_bit(document, octet=-1))),
    "payload bit": (
        Reason.BAD_SIGNATURE,
        _message(lambda fields: [*fields[:2], fields[2].replace(b"i-0123", b"i-0124"), fields[3]]),
    ),
    "signed by another key": (Reason.BAD_SIGNATURE, _wrong_signer),
    "ES256": (Reason.UNSUPPORTED_ALGORITHM, _headers(protected=cbor2.dumps({1: -7}))),
    "key on P-256": (Reason.UNSUPPORTED_ALGORITHM, _other_curve),
    # time and binding
    "hours later": (Reason.EXPIRED, _at(timedelta(hours=4))),
    "before its certificate": (Reason.NOT_YET_VALID, _at(timedelta(minutes=-2))),
    "made before its certificate": (Reason.NOT_YET_VALID, _made(timedelta(minutes=-2))),
    "another challenge": (
        Reason.CHALLENGE_MISMATCH,
        lambda bench: replace(bench.case(), expectation=Expectation(b"another")),
    ),
    "no nonce": (Reason.CHALLENGE_MISMATCH, lambda bench: bench.case(bench.enclave.attest(None))),
    "another key": (
        Reason.KEY_MISMATCH,
        lambda bench: replace(bench.case(), expectation=Expectation(CHALLENGE, bench.enclave.root_spki)),
    ),
    # policy
    "debug mode": (Reason.DEBUG_ENCLAVE, _fields(pcrs=DEBUG_PCRS)),
    "ten minutes old": (Reason.STALE_EVIDENCE, _at(timedelta(minutes=10))),
    "from the future": (Reason.STALE_EVIDENCE, _made(timedelta(minutes=10))),
    "another image": (Reason.MEASUREMENT_MISMATCH, _expect(0, bytes(48))),
    "register not given": (Reason.MEASUREMENT_MISSING, _expect(16, bytes(48))),
}
