"""`hallmark consent removals` and `hallmark consent request-deletion`."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

from kms.cli.artifact_digest import artifact_digest
from kms.cli.connection import Server, server_options
from kms.cli.consent.choices import CONSENT
from kms.cli.identifiers import DEVICE
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_facts, print_json, print_table, short
from kms.cli.times import SPAN

if TYPE_CHECKING:
    from hallmark_client.model.removals import Removal

STATES: Final = click.Choice(
    ("issued", "delivered", "acknowledged", "deleted", "lapsed", "overdue", "unreachable"), case_sensitive=False
)


@click.command()
@click.option("--state", type=STATES, help="Only those in this state.")
@click.option("--device", type=DEVICE, help="Only those of this device.")
@click.option("--consent", type=CONSENT, help="Only those of this consent.")
@server_options("auditor")
@json_option
def removals(*, state: str | None, device: str | None, consent: str | None, server: Server, as_json: bool) -> None:
    """List what devices were asked to delete, newest first.

    Delivered is not applied, and acknowledged is not deleted: deleted is what there is a receipt for.

    \b
    Example:  hallmark consent removals --state overdue
    Then:     hallmark consent report --output report.html
    """
    with server.connect() as client:
        found = list(client.removals.list(state=state, device=device or "", consent=consent or ""))
    if as_json:
        print_json({"removals": [each.to_dict() for each in found]})
        return
    if not found:
        click.echo("There are no such removals.")
        return
    rows = [
        (
            each.name.rpartition("/")[2],
            each.state.lower(),
            "" if each.grade is None else str(each.grade),
            short(each.device),
            short(each.artifact)[:22],
            moment(each.deadline),
        )
        for each in found
    ]
    print_table(("ID", "STATE", "GRADE", "DEVICE", "ARTIFACT", "DEADLINE"), rows)


@click.command("request-deletion")
@click.argument("device", type=DEVICE)
@click.argument("artifact")
@click.option("--within", type=SPAN, default="24h", show_default=True, help="The deadline, at most 30d from now.")
@click.option("--reason", default="", help="Why, in words; nothing personal. At most 512 characters.")
@server_options("admin")
@json_option
def request_deletion(
    *, device: str, artifact: str, within: timedelta, reason: str, server: Server, as_json: bool
) -> None:
    """Ask DEVICE to delete ARTIFACT (a file, or its SHA-256), although no consent has ended.

    All leases of the device for it end. Without a receipt by the deadline the device is overdue: it gets no leases, and
    unless removal.revoke_overdue is off it is revoked.

    \b
    Example:  hallmark consent request-deletion DEVICE model.safetensors --within 12h --reason "faulty model"
    Then:     hallmark consent removals --device DEVICE
    """
    with server.connect() as client:
        made = client.removals.request(
            device, artifact_digest(artifact), deadline=datetime.now(UTC) + within, reason=reason
        )
    if as_json:
        print_json(made.to_dict())
        return
    click.echo(f"Asked {short(made.device)} to delete {short(made.artifact)}.")
    _print(made)
    click.echo(f"Next: hallmark consent removals --device {short(made.device)}")


def _print(made: "Removal") -> None:
    print_facts(
        {
            "removal": made.name.rpartition("/")[2],
            "state": made.state.lower(),
            "deadline": made.deadline,
            "leases end": made.lease_end_time,
            "reason": made.reason,
        }
    )
