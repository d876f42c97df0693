"""TPMs that must be accepted: quotes, certified keys, activated credentials, certificates, and enrolled keys."""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from attestation.case import Case
from attestation.crl import parse_crl
from attestation.formats import tpm_parts
from attestation.formats.tpm_parts import certificates, certify, quote, tpm_evidence
from attestation.formats.tpm_quote import qualifying_data
from attestation.model import Collateral, Evidence, Expectation
from attestation.policy import Policy
from attestation.policy_tpm import PcrReference, TpmKind, TpmPolicy
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.testing.crl import CrlRequest, issue_crl
from attestation.testing.tpm_wire import CREATION, name_of, sized
from attestation.testing.variant import Good
from attestation.testing.virtual_tpm import DB_CERTIFICATE, DBX_IMAGE, VirtualTpm, VirtualTpmMaker, rsa_key
from attestation.tpm_collateral import ClockRecord, TpmCollateral
from attestation.tpm_credential import Entropy, make_credential
from attestation.tpm_reader import TpmAlgorithm

CHALLENGE: Final = b"challenge of the evidence factory"[:32]


def entropy(seed: bytes) -> Entropy:
    """Octets that follow from a seed, so that the factory's credentials are the same at every run."""
    state = hmac.digest(b"entropy", seed, "sha256")

    def take(size: int) -> bytes:
        nonlocal state
        state = hashlib.sha256(state).digest()
        return hashlib.shake_256(state).digest(size)

    return take


def good_case(tpm: VirtualTpm, *, now: datetime, evidence: Evidence | None = None) -> Case:
    """A quote of this TPM with all that is needed to accept it."""
    return Case(
        evidence=evidence or tpm.attest(tpm.quote(CHALLENGE), now=now),
        expectation=Expectation(CHALLENGE),
        anchors=tpm.maker.anchors(),
        collateral=Collateral(),
        policy=Policy(),
        at=now,
    )


def ruled(case: Case, policy: TpmPolicy) -> Case:
    return replace(case, policy=Policy(tpm=policy))


def enrolled(case: Case, *names: bytes) -> Case:
    """The same for a caller that trusts these names and no CA."""
    collateral = Collateral(tpm=TpmCollateral(enrolled_names=frozenset(names)))
    return replace(case, anchors=replace(case.anchors, items=()), collateral=collateral)


def crl(tpm: VirtualTpm, *, now: datetime, revoked: tuple[int, ...] = (), old: bool = False) -> bytes:
    """A list of the maker's CA, made an hour or (`old`) sixty days ago, for thirty days."""
    issued = now - (timedelta(days=60) if old else timedelta(hours=1))
    request = CrlRequest(
        issuer=tpm.maker.ca.subject, this_update=issued, next_update=issued + timedelta(days=30),
        revoked=dict.fromkeys(revoked, issued),
    )  # fmt: skip
    return issue_crl(request, signer=tpm.maker.ca.key)


def activation(tpm: VirtualTpm, *, now: datetime, secret: bytes = CHALLENGE) -> dict[str, bytes]:
    """Single parts of an activated credential: made for this EK and AK, opened by the TPM."""
    credential = make_credential(
        spki_of(tpm.ek), name=name_of(tpm.ak_public), secret=secret, entropy=entropy(b"credential")
    )
    return {
        tpm_parts.EK_PUBLIC: tpm.ek_public, tpm_parts.EK_CERTIFICATE: tpm.ek_certificate(now=now),
        tpm_parts.AK_PUBLIC: tpm.ak_public, tpm_parts.ID_OBJECT: credential.id_object,
        tpm_parts.ENCRYPTED_SECRET: credential.encrypted_secret, tpm_parts.ACTIVATED_SECRET: tpm.activate(credential),
    }  # fmt: skip


def activated_case(tpm: VirtualTpm, *, now: datetime, single: dict[str, bytes] | None = None) -> Case:
    """An activated credential that was made for this TPM's AK."""
    evidence = tpm_evidence(activation(tpm, now=now) if single is None else single)
    made_for = Collateral(tpm=TpmCollateral(credential_name=name_of(tpm.ak_public), credential_ek=spki_of(tpm.ek)))
    return replace(good_case(tpm, now=now, evidence=evidence), collateral=made_for)


def creation(tpm: VirtualTpm, *, named: bytes | None = None, data: bytes = b"creation data") -> dict[str, bytes]:
    """Parts in which the AK states its own creation."""
    attested = sized(named or name_of(tpm.ak_public)) + sized(hashlib.sha256(data).digest())
    message, signature = tpm.state(CREATION, attested, b"")
    return {
        tpm_parts.CREATION_ATTEST: message, tpm_parts.CREATION_SIGNATURE: signature,
        tpm_parts.CREATION_DATA: b"creation data",
    }  # fmt: skip


def good(now: datetime) -> Iterator[Good]:
    maker = VirtualTpmMaker.create(now=now)
    tpm = VirtualTpm.create(maker)
    case = good_case(tpm, now=now)
    yield Good("quote", case)
    yield Good("quote by an RSA key", good_case(VirtualTpm.create(maker, ak=rsa_key()), now=now))
    yield from _quotes(tpm, case, now)
    yield from _keys(tpm, case, now)
    yield from _certificates(tpm, case, now)
    yield Good("every rule of the policy", _demanding(tpm, case, now))


def _quotes(tpm: VirtualTpm, case: Case, now: datetime) -> Iterator[Good]:
    single = tpm.quote(CHALLENGE)
    bare = quote(
        attest=single[tpm_parts.ATTEST], signature=single[tpm_parts.SIGNATURE], ak_public=tpm.ak_public,
        registers=tpm.registers, event_log=tpm.event_log,
    )  # fmt: skip
    yield Good("quote of an enrolled AK", enrolled(replace(case, evidence=bare), name_of(tpm.ak_public)))
    by_key = TpmCollateral(enrolled_keys=frozenset({spki_of(tpm.ak)}))
    yield Good("quote of an AK enrolled by key", replace(case, evidence=bare, collateral=Collateral(tpm=by_key)))
    yield Good(
        "quote without values", enrolled(replace(case, evidence=tpm_evidence(_no_log(single))), name_of(tpm.ak_public))
    )
    yield Good("AK with its creation", replace(case, evidence=tpm.attest({**single, **creation(tpm)}, now=now)))
    wide = tpm.with_ak(scheme_hash=TpmAlgorithm.SHA384)
    yield Good("SHA-384 scheme", good_case(wide, now=now))
    unbound = tpm.with_ak(scheme_hash=None)
    yield Good("AK without a scheme of its own", good_case(unbound, now=now))
    long = Expectation(
        b"a challenge that does not fit into the qualifying data of a TPM, for it has more than 64 bytes"
    )
    hashed = tpm.attest(tpm.quote(qualifying_data(long.challenge)), now=now)
    yield Good("long challenge", replace(case, evidence=hashed, expectation=long))
    empty = replace(case, evidence=tpm.attest(tpm.quote(b""), now=now))
    yield Good("empty challenge by policy", ruled(empty, TpmPolicy(allow_empty_challenge=True)))
    old = tpm.with_ak(scheme_hash=TpmAlgorithm.SHA1)
    yield Good("SHA-1 by policy", ruled(good_case(old, now=now), TpmPolicy(allow_sha1=True)))
    unsafe = tpm.changed(safe=0, clock=999_000, reset_count=6)
    record = Collateral(tpm=TpmCollateral(previous=ClockRecord(1_000_000, 5, 2)))
    yield Good("clock repeated after a loss of power", replace(good_case(unsafe, now=now), collateral=record))


def _no_log(single: dict[str, bytes]) -> dict[str, bytes]:
    return {part: data for part, data in single.items() if part != tpm_parts.EVENT_LOG}


def _keys(tpm: VirtualTpm, case: Case, now: datetime) -> Iterator[Good]:
    key = new_key(KeyKind.EC_P256)
    single = tpm.certify(key, CHALLENGE)
    enrols = Expectation(CHALLENGE, spki_of(key))
    yield Good("certified key", replace(case, evidence=tpm.attest(single, now=now), expectation=enrols))
    bare = certify(
        attest=single[tpm_parts.ATTEST], signature=single[tpm_parts.SIGNATURE], ak_public=tpm.ak_public,
        certified_public=single[tpm_parts.CERTIFIED_PUBLIC],
    )  # fmt: skip
    yield Good("key certified by an enrolled AK", enrolled(replace(case, evidence=bare), name_of(tpm.ak_public)))
    bound = tpm.attest(tpm.quote(qualifying_data(CHALLENGE, key_spki=spki_of(key))), now=now)
    yield Good("quote that binds a key", replace(case, evidence=bound, expectation=enrols))
    yield Good("quote for the AK itself", replace(case, expectation=Expectation(CHALLENGE, spki_of(tpm.ak))))


def _certificates(tpm: VirtualTpm, case: Case, now: datetime) -> Iterator[Good]:
    yield Good("activated credential", activated_case(tpm, now=now))
    yield Good("credential for an RSA EK", activated_case(VirtualTpm.create(tpm.maker, ek=rsa_key()), now=now))
    alone = TpmPolicy(kinds=frozenset({TpmKind.CERTIFICATE}), lenient_makers=frozenset({"virtual"}))
    ek, ak = tpm.ek_certificate(now=now), tpm.ak_certificate(now=now)
    yield Good("EK certificate", ruled(replace(case, evidence=certificates(ek=(ek,))), alone))
    yield Good("padded EK certificate", ruled(replace(case, evidence=certificates(ek=(ek + b"\xff" * 40,))), alone))
    listed = Collateral(tpm=TpmCollateral(enrolled_certificates=frozenset({hashlib.sha256(ak).digest()})))
    foreign = replace(enrolled(case), collateral=listed, evidence=certificates(ak=ak))
    yield Good("enrolled AK certificate", ruled(foreign, alone))
    both = certificates(ek=(ek,), ak=ak, intermediates=(tpm.maker.ca.certificate,))
    yield Good("EK and AK certificate", ruled(replace(case, evidence=both), alone))


def _demanding(tpm: VirtualTpm, case: Case, now: datetime) -> Case:
    """A policy with every rule set to what this TPM reports."""
    registers = tpm.registers["sha256"]
    policy = TpmPolicy(
        kinds=frozenset({TpmKind.QUOTE}),
        pcrs=tuple(PcrReference("sha256", index, frozenset({value})) for index, value in registers.items()),
        require_event_log=True,
        refuse_unknown_events=True,
        require_secure_boot=True,
        allowed_db_entries=frozenset({hashlib.sha256(DB_CERTIFICATE).digest()}),
        required_dbx_entries=frozenset({DBX_IMAGE}),
        same_boot=True,
        require_crl=True,
    )
    collateral = TpmCollateral(previous=ClockRecord(999_999, 5, 2), crls=(parse_crl(crl(tpm, now=now)),))
    return replace(ruled(case, policy), collateral=Collateral(tpm=collateral))
