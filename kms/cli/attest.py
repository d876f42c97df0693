"""`hallmark attest`: device evidence, judged offline as of any time."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kms.cli.attest_explain import ADVICE, NOT_CHECKED, PROVES, explain
from kms.cli.attest_inputs import Inputs, case_of, challenge_of, evidence_of
from kms.cli.attest_vectors import verify_vectors
from kms.cli.failure import ExitCode, not_so
from kms.cli.invocation import json_option
from kms.cli.output import print_facts, print_json, read_file
from kms.cli.times import MOMENT

if TYPE_CHECKING:
    from attestation import EvidenceError, StatusList, Verdict

__all__ = ["attest", "challenge_of", "claim_facts", "judge"]

_EXISTING: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_MEASUREMENTS_SHOWN: Final = 8


@click.group()
def attest() -> None:
    """Judge device evidence offline.

    Two questions are answered apart: is the evidence authentic (genuine hardware, for this challenge), and does the
    policy like what it says (locked, verified boot, not revoked).

    \b
    Example:  hallmark attest verify chain.pem --challenge 0a1b2c --collateral status.json
    """


attest.add_command(verify_vectors)


@attest.command("verify")
@click.argument("files", metavar="EVIDENCE...", type=_EXISTING, nargs=-1, required=True)
@click.option("--challenge", required=True, metavar="HEX", help="The challenge that the device was given.")
@click.option(
    "--format",
    "form",
    type=click.Choice(tuple(PROVES)),
    metavar="FORMAT",
    help="What it has to be. Default: by content.",
)
@click.option("--key", type=_EXISTING, help="The public key that the evidence has to bind (PEM or DER).")
@click.option("--counter", type=int, metavar="N", help="The last signature counter seen of this key (App Attest).")
@click.option("--at", type=MOMENT, help="Judge as of this time. Default: now.")
@click.option("--root", "roots", type=_EXISTING, multiple=True, help="One more trusted root (PEM); may be repeated.")
@click.option(
    "--collateral", type=_EXISTING, multiple=True, help="Status list, CRL, TCB info, device keys; may be repeated."
)
@click.option("--policy", type=_EXISTING, help="A policy file (TOML or .json). Default: strict.")
@click.option("--status", "status_file", type=_EXISTING, help="Google's attestation status list, as fetched (JSON).")
@click.option(
    "--allow-missing-status", is_flag=True, help="Accept without status list, CRL or TCB info; the verdict says so."
)
@json_option
def verify_evidence(
    files: tuple[Path, ...],
    challenge: str,
    form: str | None,
    key: Path | None,
    counter: int | None,
    at: datetime | None,
    roots: tuple[Path, ...],
    collateral: tuple[Path, ...],
    policy: Path | None,
    status_file: Path | None,
    allow_missing_status: bool,
    as_json: bool,
) -> None:
    """Judge evidence of any format. Ends 1 when it is refused, also when nobody can tell what it is (MALFORMED).

    The first EVIDENCE file is what the device sent; its format is known by its content: Android and other certificate
    chains, quotes and reports (SGX, TDX, SEV-SNP, NVIDIA), tokens and documents (Nitro, PSA, CCA), JSON of App Attest,
    WebAuthn, TPM or Azure, RATS wrappers (RFC 9999) of these. Further files belong to it, such as certificates.

    Vendors' roots are built in. Collateral counts as fetched when its file was written, or at --at, the time judged at.

    \b
    Example:  hallmark attest verify chain.pem --challenge 0a1b2c --collateral status.json
              hallmark attest verify quote.bin --challenge 0a1b2c --collateral tcb.json --at 2025-09-26T15:31:20Z
              hallmark attest verify report.bin vcek.der --challenge 0a1b2c --collateral milan.crl
    """
    status = None if status_file is None else _status(status_file, at)
    inputs = Inputs(
        challenge=challenge_of(challenge), at=at, roots=roots, collateral=collateral, policy=policy, key=key,
        counter=counter, allow_missing=allow_missing_status, status=status,
    )  # fmt: skip
    from attestation import EvidenceError, verify_case

    try:
        evidence = evidence_of(files, form)
    except EvidenceError as error:
        _answer_unread(error, at or datetime.now(UTC), as_json=as_json)
    else:
        _answer(verify_case(case_of(evidence, inputs)), as_json=as_json)


def _answer_unread(error: "EvidenceError", at: datetime, *, as_json: bool) -> None:
    """Evidence of no known format is refused evidence: said as a verdict is, with no format and no claims."""
    advice = f"{ADVICE['MALFORMED']}, or say what it is with --format"
    if as_json:
        finding = {"reason": error.reason, "detail": error.detail}
        explanation = ["Nobody can tell what this is.", f"{error.reason}: {error.detail}.", f"{advice}."]
        print_json({
            "format": None, "authentic": False, "appraised": False, "reasons": [error.reason], "findings": [finding],
            "claims": {}, "not_checked": [], "inputs": {}, "verified_at": at.isoformat(), "explanation": explanation,
        })  # fmt: skip
        click.get_current_context().exit(ExitCode.NOT_SO)
    click.echo("authentic: NO   appraised: NO")
    click.echo(f"unknown format\n  {error.reason}: {error.detail}")
    raise not_so(error.reason, "refused: evidence of no known format", advice)


def _answer(verdict: "Verdict", *, as_json: bool) -> None:
    """Print it; a refusal ends 1."""
    if as_json:
        from attestation import verdict_to_dict

        print_json(verdict_to_dict(verdict) | {"explanation": explain(verdict)})
    else:
        _tell(verdict)
    if verdict.appraised:
        return
    if as_json:  # the document has said it
        click.get_current_context().exit(ExitCode.NOT_SO)
    raise not_so(verdict.reasons[0], f"refused: {verdict.findings[0].detail}", ADVICE.get(verdict.reasons[0], ""))


def judge(
    file: Path,
    challenge: bytes,
    *,
    at: datetime,
    roots: tuple[Path, ...] = (),
    status: "StatusList | None" = None,
    allow_missing_status: bool = False,
) -> "Verdict":
    """The verdict on an evidence file. Raises AttestationError, CommandError, OSError."""
    from attestation import verify_case

    inputs = Inputs(challenge=challenge, at=at, roots=roots, status=status, allow_missing=allow_missing_status)
    return verify_case(case_of(evidence_of((file,)), inputs))


def _status(path: Path, at: datetime | None) -> "StatusList":
    from attestation import parse_status_list
    from attestation.status import MAX_LIST_BYTES

    fetched_at = at or datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return parse_status_list(read_file(path, MAX_LIST_BYTES), fetched_at=fetched_at)


def _tell(verdict: "Verdict") -> None:
    click.echo(f"authentic: {'yes' if verdict.authentic else 'NO'}   appraised: {'yes' if verdict.appraised else 'NO'}")
    click.echo(f"{verdict.format}: {PROVES[verdict.format]}")
    for finding in verdict.findings:
        click.echo(f"  {finding.reason}: {finding.detail}")
    facts = {name: value for name, value in claim_facts(verdict).items() if value not in (None, "", [])}
    if facts:
        click.echo("The device says:" if verdict.authentic else "It claims, and nothing vouches for it:")
        print_facts(facts)
    if verdict.not_checked:
        click.echo("Not checked:")
        for item in verdict.not_checked:
            click.echo(f"  {item}: {NOT_CHECKED[item]}")


def claim_facts(verdict: "Verdict") -> dict[str, object]:
    """What a person wants to see of the claims; identifiers of the single device are left out."""
    claims = verdict.claims
    device, key, boot, versions = claims.device, claims.key, claims.boot, claims.versions
    measured = [f"{item.name}={item.digest.hex()[:16]}.." for item in claims.measurements if any(item.digest)]
    more = [f"and {len(measured) - _MEASUREMENTS_SHOWN} more"] if len(measured) > _MEASUREMENTS_SHOWN else []
    names = device and (device.manufacturer, device.model, device.device or device.product)
    return {
        "device": names and " ".join(filter(None, names)),
        "key": key and " ".join(filter(None, (key.algorithm, key.curve, key.origin))),
        "secured by": claims.security_level,
        "debug": claims.debug,
        "bootloader": boot and ("locked" if boot.locked else "UNLOCKED"),
        "verified boot": boot and boot.verification,
        "patch level": versions and versions.os_patch_level,
        "apps": claims.application and [name for name, _ in claims.application.packages],
        "measurements": [*measured[:_MEASUREMENTS_SHOWN], *more] or None,
        "counter": claims.counter,
        # Of an attested key, or of the document itself (AWS Nitro, Apple's receipt).
        "made": claims.freshness and claims.freshness.created_at,
        "root": claims.anchor,
    }
