"""`hallmark log mirror`: a verified copy of a log, for any static server."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.log.progress import progress
from kms.cli.log.trust import Trust, connections_to, fetcher, log_at, trust_options
from kms.cli.output import print_facts, print_json

if TYPE_CHECKING:
    from kms.log.published.mirroring import MirrorReport
    from kms.public.files import PublicFiles


@click.command()
@click.option("--from", "source", required=True, metavar="DIR|URL", help="The public files of the log.")
@click.option("--to", "target", required=True, metavar="DIR|s3://BUCKET/PREFIX", help="Where the copy goes.")
@click.option("--endpoint", metavar="URL", help="URL of the object store. Default: AWS.")
@click.option("--region", help="Region of the object store. Default: AWS_REGION.")
@click.option("--virtual-host", is_flag=True, help="Name the bucket in the host name, as AWS prefers.")
@trust_options(needed=True)
@json_option
def mirror(
    *,
    source: str,
    target: str,
    endpoint: str | None,
    region: str | None,
    virtual_host: bool,
    trust: Trust,
    as_json: bool,
) -> None:
    """Copy a log: every file is verified before it is written, the checkpoint comes last. Ends 1 when it is broken.

    Run it again to bring the copy up to date, or to go on after an interruption. A source that has taken something
    back is refused. Credentials for s3:// come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the file in
    AWS_SHARED_CREDENTIALS_FILE; the store must have conditional writes.

    \b
    Example:  hallmark log mirror --from http://127.0.0.1:7480 --to copy --vkey log.vkey
    Then:     hallmark log verify --public copy --vkey log.vkey
    """
    from kms.log.published.mirroring import Mirror

    files = _files_at(target, endpoint, region, path_style=not virtual_host)
    copying = Mirror(
        fetcher(source),
        files,
        accept=trust.accept,
        connections=connections_to(source),
        progress=progress("copied"),
    )
    with log_at(source):
        report = asyncio.run(copying.run())
    _tell(report, target, as_json=as_json)


def _tell(report: "MirrorReport", target: str, *, as_json: bool) -> None:
    facts = {
        "origin": report.checkpoint.origin,
        "size": report.checkpoint.size,
        "root_hash": report.checkpoint.root.hex(),
        "size_before": report.size_before,
        "files_written": report.files_written,
    }
    if as_json:
        print_json({"mirrored": True, **facts})
        return
    click.echo(f"{target} holds the log {report.checkpoint.origin}, every file verified.")
    print_facts({name.replace("_", " "): value for name, value in facts.items() if name != "origin"})


def _files_at(target: str, endpoint: str | None, region: str | None, *, path_style: bool) -> "PublicFiles":
    from kms.public.errors import ObjectStoreUnusable, PublicPathInvalid
    from kms.public.files import FolderPublicFiles
    from kms.public.object_store import open_bucket, parse_bucket_url

    if ":/" not in target:
        return FolderPublicFiles(Path(target))
    try:
        return open_bucket(parse_bucket_url(target, endpoint=endpoint, region=region, path_style=path_style))
    except (ObjectStoreUnusable, PublicPathInvalid) as error:
        raise not_usable("OBJECT_STORE", str(error), "Give --to s3://BUCKET/PREFIX, or a folder") from error
