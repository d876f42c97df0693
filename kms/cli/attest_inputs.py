"""What `hallmark attest verify` judges with: anchors, collateral, policy and expectation, out of files and options."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kms.cli.failure import not_usable
from kms.cli.output import read_file

if TYPE_CHECKING:
    from attestation import Anchors, Evidence, Policy, StatusList, TrustAnchor
    from attestation.case import Case

MAX_PEM_BYTES: Final = 64 * 1024
MAX_CHALLENGE_BYTES: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Options of the command. `status` is a status list that was read already."""

    challenge: bytes
    at: datetime | None
    roots: tuple[Path, ...] = ()
    collateral: tuple[Path, ...] = ()
    policy: Path | None = None
    key: Path | None = None
    counter: int | None = None
    allow_missing: bool = False
    status: "StatusList | None" = None


def challenge_of(text: str) -> bytes:
    """1 to 1024 bytes in hex. Raises click.BadParameter."""
    try:
        challenge = bytes.fromhex(text)
    except ValueError:
        raise click.BadParameter("is not hex, such as 0a1b2c", param_hint="--challenge") from None
    if not 1 <= len(challenge) <= MAX_CHALLENGE_BYTES:
        raise click.BadParameter(f"has 1 to {MAX_CHALLENGE_BYTES} bytes", param_hint="--challenge")
    return challenge


def evidence_of(files: Sequence[Path], form: str | None = None) -> "Evidence":
    """The evidence in the first file, with what belongs to it in the others. `form` is the value of a Format that it
    has to have. Raises EvidenceError, CommandError, OSError.
    """
    from attestation import Format
    from attestation.container import MAX_CONTAINER_BYTES, read_evidence, read_evidence_as

    first, *others = (read_file(path, MAX_CONTAINER_BYTES) for path in files)
    if form is not None:
        return read_evidence_as(Format(form), first, attachments=others)
    return read_evidence(first, attachments=others)


def case_of(evidence: "Evidence", inputs: Inputs) -> "Case":
    """Everything a verdict needs. Raises AttestationError, CommandError, OSError."""
    from attestation import Expectation
    from attestation.case import Case
    from attestation.collateral_files import MAX_FILE_BYTES, CollateralFile, read_collateral_files

    files = [
        CollateralFile(read_file(path, MAX_FILE_BYTES), str(path), _fetched_at(path, inputs.at))
        for path in inputs.collateral
    ]
    found = read_collateral_files(files, evidence)
    collateral = found.collateral
    if inputs.status is not None:
        collateral = replace(collateral, android_status=inputs.status)
    policy = _policy(inputs)
    if not policy.arm.software and not policy.arm.realms:  # a CoRIM may bring its reference values along
        policy = replace(policy, arm=replace(policy.arm, software=found.software, realms=found.realms))
    return Case(
        evidence=evidence,
        expectation=Expectation(inputs.challenge, _key(inputs.key), inputs.counter),
        anchors=_anchors(inputs.roots, evidence),
        collateral=collateral,
        policy=policy,
        at=inputs.at or datetime.now(UTC),
    )


def _fetched_at(path: Path, at: datetime | None) -> datetime:
    return at or datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _policy(inputs: Inputs) -> "Policy":
    from attestation import Policy
    from attestation.errors import PolicyError
    from attestation.policy_file import FILE_BYTES_MAX, PolicyForm, read_policy

    policy = Policy()
    if inputs.policy is not None:
        form = PolicyForm.JSON if inputs.policy.suffix == ".json" else PolicyForm.TOML
        try:
            policy = read_policy(read_file(inputs.policy, FILE_BYTES_MAX), form)
        except PolicyError as error:
            advice = f"`hallmark policy check {inputs.policy}` shows one mistake a line"
            raise not_usable("POLICY_INVALID", f"{inputs.policy}: {error}", advice) from error
    if not inputs.allow_missing:
        return policy
    return replace(
        policy,
        name=f"{policy.name}, status list may be missing",
        android=replace(policy.android, allow_missing_status_list=True),
        amd_sev_snp=replace(policy.amd_sev_snp, allow_missing_crl=True),
        intel=replace(policy.intel, allow_missing_collateral=True),
        nvidia=replace(policy.nvidia, allow_missing_crl=True),
    )


def _anchors(roots: tuple[Path, ...], evidence: "Evidence") -> "Anchors":
    """The vendors' own, and the given roots for this format and those it is composed of."""
    from attestation import Anchors
    from kms.collateral.anchors import BUILT_IN

    return Anchors((*BUILT_IN.items, *(_anchor(path, evidence) for path in roots)))


def _anchor(path: Path, evidence: "Evidence") -> "TrustAnchor":
    from attestation import EvidenceError, TrustAnchor, load_chain
    from attestation.model import COMPOSED
    from attestation.x509 import COMMON_NAME, parse_certificate
    from kms.collateral.anchors import read_key

    data = read_file(path, MAX_PEM_BYTES)
    try:
        spki = read_key(data, str(path))
    except ValueError as error:
        raise not_usable("ROOT_INVALID", str(error)) from error
    try:  # AMD's anchors are found by the name they issue under
        common_name = parse_certificate(load_chain(data)[0]).subject.get(COMMON_NAME)
    except EvidenceError:
        common_name = None
    formats = frozenset({evidence.format, *COMPOSED.get(evidence.format, ())})
    return TrustAnchor(name=str(path), formats=formats, spki=spki, source=str(path), common_name=common_name)


def _key(path: Path | None) -> bytes | None:
    from kms.collateral.anchors import read_key

    if path is None:
        return None
    try:
        return read_key(read_file(path, MAX_PEM_BYTES), str(path))
    except ValueError as error:
        raise not_usable("KEY_INVALID", str(error)) from error
