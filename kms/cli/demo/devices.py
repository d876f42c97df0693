"""Steps: a device proves what it is, a tampered copy is refused, a genuine phone is judged at its own time."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kms.cli.demo.stage import Stage, hold
from kms.cli.failure import not_usable
from kms.cli.output import moment

if TYPE_CHECKING:
    from datetime import datetime

    from attestation.testing import VirtualPhone, VirtualVendor
    from kms.cli.demo.stage import Genuine

GENUINE_FILE = "caiman-sdk36-tee-ec-rkp.pem"
"""Of a Pixel 9 Pro; with its entry in expected.json, in the folder attestation/android of the public vectors."""


def make_phone(now: "datetime") -> "tuple[VirtualVendor, VirtualPhone]":
    """A virtual maker and one of its phones: real keys and certificates, a root that only this server is told of."""
    from attestation.testing import VirtualPhone, VirtualVendor

    vendor = VirtualVendor.create(now=now)
    return vendor, VirtualPhone.create(vendor, now=now)


def attest_device(stage: Stage) -> Sequence[str]:
    device = stage.client("device")
    challenge = device.devices.create_challenge()
    made = stage.phone.generate_key(challenge.challenge)
    chain = made.evidence.named("certificate")
    answer = device.devices.attest(challenge.name, chain, key_spki=made.spki, wait="published")
    verdict = answer.verdict
    hold(verdict.authentic and verdict.appraised, f"the phone was refused: {verdict.reasons} {verdict.detail}")
    assert answer.device is not None
    stage.device_name = answer.device.name
    stage.findings.attested = True
    return (
        "a virtual phone, made for this demonstration under a throw-away root that only this server trusts",
        f"authentic and appraised: {len(chain)} certificates over a fresh challenge; log entry {answer.log.leaf_index}",
    )


def refuse_tampered(stage: Stage) -> Sequence[str]:
    """One bit changed in the leaf, and evidence that was made for an earlier challenge."""
    from attestation.testing.broken import flip_bit

    device = stage.client("device").devices
    challenge = device.create_challenge()
    leaf, *issuers = stage.phone.attest(challenge.challenge).named("certificate")
    tampered = device.attest(challenge.name, [flip_bit(leaf, octet=-1), *issuers], wait="published").verdict
    hold(not tampered.authentic and tampered.reasons[:1] == ("BAD_SIGNATURE",), f"not refused: {tampered.reasons}")
    replay = device.create_challenge()
    old = device.attest(replay.name, [leaf, *issuers]).verdict
    hold(not old.authentic and old.reasons[:1] == ("CHALLENGE_MISMATCH",), f"not refused: {old.reasons}")
    stage.findings.tampered_refused = True
    return (
        f"one bit changed: {tampered.reasons[0]}",
        f"made for an earlier challenge: {old.reasons[0]}",
        "both refusals are in the log",
    )


def judge_genuine(stage: Stage) -> Sequence[str]:
    """Offline: nobody can be given an old challenge again, so the evidence is judged as of its own time."""
    from kms.cli.attest import claim_facts, judge

    genuine = stage.genuine
    assert genuine is not None
    verdict = judge(genuine.file, genuine.challenge, at=genuine.at, allow_missing_status=True)
    hold(verdict.appraised, f"{genuine.file.name} was refused: {', '.join(verdict.reasons)}")
    facts = {name: value for name, value in claim_facts(verdict).items() if value}
    return (
        f"{genuine.file.name}, judged as of {moment(genuine.at)} with Google's own roots: authentic and appraised",
        ", ".join(f"{name} {facts[name]}" for name in ("device", "secured by", "bootloader") if name in facts),
        f"not checked: {', '.join(verdict.not_checked)}",
    )


def find_genuine(vectors: Path) -> "Genuine":
    """The Pixel chain of a folder of public vectors. Raises CommandError, OSError."""
    from datetime import datetime

    from kms.cli.demo.stage import Genuine

    folder = vectors / "attestation" / "android"
    try:
        cases = json.loads((folder / "expected.json").read_bytes())["vectors"]
        case = next(case for case in cases if GENUINE_FILE in case["files"])
        challenge = bytes.fromhex(case["claims"]["challenge_hex"])
        return Genuine(folder / GENUINE_FILE, datetime.fromisoformat(case["verify_at"]), challenge)
    except (StopIteration, KeyError, TypeError, ValueError):
        raise not_usable("VECTORS", f"{folder}/expected.json does not describe {GENUINE_FILE}") from None
