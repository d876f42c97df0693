"""`hallmark attest`: device evidence, judged offline as of any time."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kms.cli.failure import ExitCode, not_so, not_usable
from kms.cli.invocation import json_option
from kms.cli.output import print_facts, print_json, read_file
from kms.cli.times import MOMENT

if TYPE_CHECKING:
    from attestation import Anchors, StatusList, Verdict

_EXISTING: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_MAX_PEM_BYTES: Final = 64 * 1024
_MAX_CHALLENGE_BYTES: Final = 128
_ADVICE: Final = {
    "EXPIRED": "Judge old evidence at its own time with --at",
    "STATUS_LIST_MISSING": "Give the vendor's status list with --status, or --allow-missing-status",
    "STATUS_LIST_STALE": "Fetch the status list again; it counts for a day",
    "UNTRUSTED_ROOT": "If you trust this root, give it with --root",
    "CHALLENGE_MISMATCH": "Check --challenge: it is hex, of the very bytes that the device was given",
}


@click.group()
def attest() -> None:
    """Judge device evidence offline.

    Two questions are answered apart: is the evidence authentic (genuine hardware, for this challenge), and does the
    policy like what it says (locked, verified boot, not revoked).

    \b
    Example:  hallmark attest verify chain.pem --challenge 0a1b2c --status status.json
    """


@attest.command("verify")
@click.argument("file", type=_EXISTING)
@click.option("--challenge", required=True, metavar="HEX", help="The challenge that the device was given.")
@click.option("--at", type=MOMENT, help="Judge as of this time. Default: now.")
@click.option("--root", "roots", type=_EXISTING, multiple=True, help="One more trusted root (PEM); may be repeated.")
@click.option("--status", "status_file", type=_EXISTING, help="Google's attestation status list, as fetched (JSON).")
@click.option("--allow-missing-status", is_flag=True, help="Accept without a status list; the verdict says so.")
@json_option
def verify_evidence(
    file: Path,
    challenge: str,
    at: datetime | None,
    roots: tuple[Path, ...],
    status_file: Path | None,
    allow_missing_status: bool,
    as_json: bool,
) -> None:
    """Judge an Android Key Attestation: FILE is a certificate chain (PEM or DER), leaf first. Ends 1 when refused.

    Google's roots are built in. Evidence can be judged again in ten years: --at says as of when. The status list counts
    as fetched when its file was written, or at --at when that is given.

    \b
    Example:  hallmark attest verify chain.pem --challenge 0a1b2c --status status.json
              hallmark attest verify old.pem --challenge 0a1b2c --at 2025-09-26T15:31:20Z --allow-missing-status
    """
    when = at or datetime.now(UTC)
    status = None if status_file is None else _status(status_file, at)
    verdict = judge(
        file, challenge_of(challenge), at=when, roots=roots, status=status, allow_missing_status=allow_missing_status
    )
    if as_json:
        from attestation import verdict_to_dict

        print_json(verdict_to_dict(verdict))
    else:
        _tell(verdict)
    if verdict.appraised:
        return
    if as_json:  # the document has said it
        click.get_current_context().exit(ExitCode.NOT_SO)
    raise not_so(verdict.reasons[0], f"refused: {verdict.findings[0].detail}", _ADVICE.get(verdict.reasons[0], ""))


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
    from attestation import AndroidPolicy, Collateral, Evidence, Expectation, Policy, load_chain, verify
    from attestation.evidence import MAX_FILE_BYTES

    name = "strict, status list may be missing" if allow_missing_status else "strict"
    return verify(
        Evidence.android(load_chain(read_file(file, MAX_FILE_BYTES))),
        expectation=Expectation(challenge),
        anchors=_anchors(roots),
        collateral=Collateral(android_status=status),
        policy=Policy(name, AndroidPolicy(allow_missing_status_list=allow_missing_status)),
        at=at,
    )


def challenge_of(text: str) -> bytes:
    """1 to 128 bytes in hex. Raises click.BadParameter."""
    try:
        challenge = bytes.fromhex(text)
    except ValueError:
        raise click.BadParameter("is not hex, such as 0a1b2c", param_hint="--challenge") from None
    if not 1 <= len(challenge) <= _MAX_CHALLENGE_BYTES:
        raise click.BadParameter(f"has 1 to {_MAX_CHALLENGE_BYTES} bytes", param_hint="--challenge")
    return challenge


def _anchors(roots: tuple[Path, ...]) -> "Anchors":
    from attestation import GOOGLE, Anchors
    from kms.devices.anchors import android_anchor

    try:
        own = [android_anchor(read_file(path, _MAX_PEM_BYTES), str(path)) for path in roots]
    except ValueError as error:
        raise not_usable("ROOT_INVALID", str(error)) from error
    return Anchors((*GOOGLE.items, *own))


def _status(path: Path, at: datetime | None) -> "StatusList":
    from attestation import parse_status_list
    from attestation.status import MAX_LIST_BYTES

    fetched_at = at or datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return parse_status_list(read_file(path, MAX_LIST_BYTES), fetched_at=fetched_at)


def _tell(verdict: "Verdict") -> None:
    click.echo(f"authentic: {'yes' if verdict.authentic else 'NO'}   appraised: {'yes' if verdict.appraised else 'NO'}")
    for finding in verdict.findings:
        click.echo(f"  {finding.reason}: {finding.detail}")
    click.echo("The device says:" if verdict.authentic else "It claims, and nothing vouches for it:")
    print_facts(claim_facts(verdict))
    if verdict.not_checked:
        click.echo(f"Not checked: {', '.join(verdict.not_checked)}")


def claim_facts(verdict: "Verdict") -> dict[str, object]:
    """What a person wants to see of the claims; identifiers of the single device are left out."""
    claims = verdict.claims
    device, key, boot, versions = claims.device, claims.key, claims.boot, claims.versions
    return {
        "device": device and " ".join(filter(None, (device.manufacturer, device.model, device.device))),
        "key": key and " ".join(filter(None, (key.algorithm, key.curve, key.origin))),
        "secured by": claims.security_level,
        "bootloader": boot and ("locked" if boot.locked else "UNLOCKED"),
        "verified boot": boot and boot.verification,
        "patch level": versions and versions.os_patch_level,
        "apps": claims.application and [name for name, _ in claims.application.packages],
        "key made": claims.freshness and claims.freshness.created_at,
        "root": claims.anchor,
    }
