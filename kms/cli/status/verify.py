"""`hallmark status verify`: the status files, from the public files and the log's key alone."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kms.cli.failure import not_so, not_usable
from kms.cli.invocation import json_option
from kms.cli.log.trust import Trust, trust_options
from kms.cli.output import print_facts, print_json, read_file
from kms.cli.status.reading import Read, beside, fetch_file, reader

if TYPE_CHECKING:
    from hallmark_events.trust import TrustedKeys

_BUNDLE_BYTES_MAX = 16 * 1024 * 1024


@click.command()
@click.option("--public", required=True, metavar="DIR|URL", help="The public files.")
@click.option("--tenant", default="default", show_default=True)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A trust bundle that you trust, for the service's keys. Default: the newest public one.",
)
@trust_options(needed=True)
@json_option
def verify(public: str, tenant: str, bundle: Path | None, trust: Trust, as_json: bool) -> None:
    """Verify what is revoked: manifest, its proof in the log, every event and list, the tokens. Ends 1 when broken.

    Nothing of the service takes part, only public files. The log's key vouches for the manifest; the service's own
    keys, which sign the events too, are those of the trust bundle.

    \b
    Example:  hallmark status verify --public http://127.0.0.1:7480 --vkey log.vkey
    Then:     hallmark log verify --public http://127.0.0.1:7480 --vkey log.vkey
    """
    read = reader(public, tenant)
    read("manifest.json")  # what is not there at all is said first
    document = _public_bundle(public, tenant) if bundle is None else read_file(bundle, _BUNDLE_BYTES_MAX)
    report = _verify(read, tenant, _service_keys(document, tenant), trust)
    if as_json:
        print_json(report)
    else:
        click.echo(f"The status of {tenant} holds: signed, in the log, complete, fresh.")
        print_facts(report)


def _verify(read: Read, tenant: str, keys: "TrustedKeys", trust: Trust) -> dict[str, Any]:
    from hallmark_events.canonical import format_time
    from hallmark_events.errors import EventsError
    from hallmark_events.snapshot import Snapshot, verify_manifest
    from hallmark_events.types import StatusValue
    from hallmark_events.verified import EventVerifier
    from hallmark_tlog.errors import TlogError
    from kms.cli.status.tokens import check_tokens

    policy, _ = trust.as_policy()
    verifier = EventVerifier(trusted_keys=keys, log_policy=policy, parent=f"tenants/{tenant}")
    now, data, snapshot = datetime.now(UTC), read("manifest.json"), Snapshot()
    try:
        verified = verify_manifest(data, *beside(read, data), verifier, tenant=tenant, seen=None, now=now)
        snapshot.update(verified, read, verifier)
        tokens = check_tokens(read, verified.manifest, snapshot.lists, now)
    except (EventsError, TlogError) as error:
        advice = "Read it again past the caches; if it stays so, keep the files and tell the operator"
        raise not_so("STATUS_BROKEN", str(error), advice) from error
    manifest, state = verified.manifest, snapshot.state
    values = Counter(value for each in snapshot.lists.values() for value in each)
    return {
        "verified": True,
        "number": manifest.number,
        "issued_at": format_time(manifest.issued_at),
        "not_after": format_time(manifest.not_after),
        "signed_by": verified.signed_by,
        "subjects": len(state.mirror),
        "lists": len(snapshot.lists),
        "invalid": values[StatusValue.INVALID],
        "suspended": values[StatusValue.SUSPENDED],
        "tokens": tokens,
    }


def _public_bundle(public: str, tenant: str) -> bytes:
    data = fetch_file(public, f"trust/{tenant}/latest.json")
    if data is None:
        advice = "It comes with the first key of the tenant; or say with --bundle where one is that you trust"
        raise not_usable("BUNDLE_MISSING", f"no trust bundle of {tenant} is at {public}", advice)
    return data


def _service_keys(document: bytes, tenant: str) -> "TrustedKeys":
    """Of the bundle, which one of them has signed."""
    from hallmark_client.errors import HallmarkError
    from hallmark_client.model.bundle_payload import read_payload
    from hallmark_client.model.trust import VerifiedBundle
    from hallmark_client.trust import read_public_bundle

    try:
        bundle = read_public_bundle(document)
        told = read_payload(bundle.payload)
        claimed = VerifiedBundle(
            tenant=told.tenant, sequence=told.sequence, issued=told.issued, not_after=told.not_after, keys=told.keys
        )
        return bundle.verify(claimed.service_keys(), tenant=tenant, now=datetime.now(UTC)).service_keys()
    except HallmarkError as error:
        raise not_so("BUNDLE_BROKEN", f"the trust bundle does not hold: {error}") from error
