"""`hallmark status fetch`: one Status List Token at its URI, as any relying party reads it."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

import click

from kms.cli.failure import not_so, not_usable
from kms.cli.invocation import json_option
from kms.cli.log.trust import is_url
from kms.cli.output import print_facts, print_json, read_file
from kms.cli.status.reading import fetch_file

_JWKS_BYTES_MAX: Final = 64 * 1024


@click.command()
@click.argument("uri", metavar="URL")
@click.option("--index", type=click.IntRange(min=0), help="Tell the status at this index.")
@click.option(
    "--jwks",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The issuer's keys, a JWK Set that you trust. Default: jwks.json beside the lists.",
)
@json_option
def fetch(uri: str, index: int | None, jwks: Path | None, as_json: bool) -> None:
    """Read and verify the Status List Token at URL, the `uri` of a reference.

    Without --jwks the keys come from the same place as the list: that proves nothing to somebody who does not trust it.

    \b
    Example:  hallmark status fetch http://127.0.0.1:7480/status/default/lists/0.jwt --index 4711
    """
    if not is_url(uri):
        raise not_usable("URL", f"{uri[:200]} is not an http or https URL", "Give the `uri` of a reference")
    from hallmark_events.errors import EventsError
    from hallmark_events.jws import parse_jwks
    from hallmark_events.types import StatusValue
    from kms.cli.status.tokens import fingerprint, verify_token

    keys_at = urljoin(uri, "../jwks.json")
    try:
        keys = parse_jwks(_get(keys_at) if jwks is None else read_file(jwks, _JWKS_BYTES_MAX))
        token = verify_token(_get(uri), keys, uri=uri, now=datetime.now(UTC))
        status = None if index is None else token.statuses[index]
    except EventsError as error:
        raise not_so("TOKEN_BROKEN", str(error), "A `uri` names one place only: was it read from another?") from error
    values = Counter(token.statuses)
    facts: dict[str, Any] = {
        "uri": token.uri,
        "issued_at": token.issued_at.isoformat(),
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
        "ttl_seconds": token.ttl_seconds,
        "entries": len(token.statuses),
        "invalid": values[StatusValue.INVALID],
        "suspended": values[StatusValue.SUSPENDED],
        "raw_sha256": fingerprint(token.statuses),
    }
    if status is not None:
        names = {int(value): value.name for value in StatusValue}
        facts |= {"index": index, "status": names.get(status, str(status))}
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


def _get(url: str) -> bytes:
    base, _, name = url.rpartition("/")
    data = fetch_file(base, name)
    if data is None:
        raise not_usable("TOKEN_MISSING", f"{url} is not there", "Give the `uri` of a reference")
    return data
