"""`hallmark devices`: which devices are believed, and why."""

import json
from datetime import datetime
from typing import TYPE_CHECKING

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import ExitCode, not_so
from kms.cli.identifiers import DEVICE, VERDICT
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_facts, print_json, print_table, short

if TYPE_CHECKING:
    from hallmark_client import Device, Verdict

STATES = ("attested", "revoked")
CLASSES = ("software", "hardware", "factory")


@click.group()
def devices() -> None:
    """List devices, show one, read a verdict, have it judged again.

    A device is the key it attested; its name is a pseudonym that tells nothing of the hardware. A verdict says why a
    device was believed or refused; it is kept with the evidence, and signed for relying parties.

    \b
    Example:  hallmark devices list
    Then:     hallmark devices show ID
    """


@devices.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those.")
@click.option("--class", "device_class", type=click.Choice(CLASSES), help="Only those: who vouched for them.")
@server_options("auditor")
@json_option
def list_devices(state: str | None, device_class: str | None, server: Server, as_json: bool) -> None:
    """List the devices of the tenant.

    \b
    Example:  hallmark devices list --state attested
    Then:     hallmark devices show ID
    """
    with server.connect() as client:
        found = list(client.devices.list(state=state, device_class=device_class))
    if as_json:
        print_json({"devices": [device.to_dict() for device in found]})
    elif found:
        header = ("DEVICE", "STATE", "APPRAISED", "CLASS", "FORMAT", "LAST HEARD OF")
        print_table(header, [_row(device) for device in found])
    else:
        click.echo("There is no such device. Devices enrol themselves: `hallmark demo` shows one doing it")


@devices.command()
@click.argument("name", metavar="ID", type=DEVICE)
@server_options("auditor")
@json_option
def show(name: str, server: Server, as_json: bool) -> None:
    """Show a device and what was found of it last.

    \b
    Example:  hallmark devices show 3e2c0b54-7c2f-8e0e-b0a5-0d4f1a6f0f8e
    Then:     hallmark devices verdict VERDICT
    """
    with server.connect() as client:
        device = client.devices.get(name)
    if as_json:
        print_json(device.to_dict())
        return
    click.echo(f"{_id(device.name)} is {device.state.value}")
    print_facts(
        {
            "class": device.device_class.value,
            "enrolled": device.create_time,
            "attested": device.attest_time,
            "asserted": device.assert_time,
            "counter": device.counter or None,
            "envelopes": device.hpke_key and f"KEM 0x{device.hpke_key.kem_id:04x}",
        }
    )
    _print_verdict(device.latest_verdict)
    click.echo(f"Next: hallmark devices replay {_id(device.latest_verdict.name)}")


@devices.command()
@click.argument("name", metavar="VERDICT", type=VERDICT)
@click.option("--jwt", "as_jwt", is_flag=True, help="Print the signed result as a JWT (ES256) and nothing else.")
@server_options("auditor")
@json_option
def verdict(name: str, as_jwt: bool, server: Server, as_json: bool) -> None:
    """Show a verdict with its signed attestation result (EAR).

    The composite signature of the result is checked against the service's key before anything is shown. The JWT is for
    whoever has no composite signatures: its header names the key (kid), and `hallmark keys public` of that prints it.

    \b
    Example:  hallmark devices verdict 01a1fdfa-4600-7814-b1da-57afd608f07a
              hallmark devices verdict ID --jwt > result.jwt
              hallmark keys public tenants/system/keys/attestation-results-es256 --output result.pem
    Then:     hallmark devices replay ID
    """
    with server.connect() as client:
        found = client.devices.verdict(name)
        if found.result is None:
            raise not_so("NO_RESULT", "this verdict is older than signed results", "Let the device attest again")
        signer = found.result.signature.key_version
        claims = found.result.verify({signer: client.keys.public_key(signer).composite()})
    if as_jwt:
        click.echo(found.result.jwt)
        return
    if as_json:
        print_json({**found.to_dict(), "claims_set": claims})
        return
    _print_verdict(found)
    click.echo(f"Signed by {short(signer)}:")
    click.echo(json.dumps(claims["submods"], indent=2))


@devices.command()
@click.argument("name", metavar="VERDICT", type=VERDICT)
@server_options("auditor")
@json_option
def replay(name: str, server: Server, as_json: bool) -> None:
    """Have a verdict judged again, as of its time, with the anchors, collateral and policy of that time.

    Ends 1 when anything comes out otherwise: then what is stored, or what judges, was changed.

    \b
    Example:  hallmark devices replay 01a1fdfa-4600-7814-b1da-57afd608f07a
    """
    with server.connect() as client:
        outcome = client.devices.replay(name)
    if as_json:
        print_json(outcome.to_dict())
        click.get_current_context().exit(ExitCode.NOT_SO if outcome.differences else ExitCode.OK)
    if outcome.differences:
        for difference in outcome.differences:
            click.echo(f"  {difference}")
        raise not_so("VERDICT_DIFFERS", "the verdict came out otherwise", "Compare the server's release with the log")
    click.echo(f"The same as on {moment(outcome.recorded.verify_time)}:")
    _print_verdict(outcome.recorded)


def _row(device: "Device") -> tuple[str, ...]:
    heard: list[datetime] = [time for time in (device.attest_time, device.assert_time) if time is not None]
    return (
        _id(device.name),
        device.state.value,
        "yes" if device.latest_verdict.appraised else "NO",
        device.device_class.value,
        device.latest_verdict.format.value,
        moment(max(heard, default=None)),
    )


def _print_verdict(verdict: "Verdict") -> None:
    click.echo(f"authentic: {'yes' if verdict.authentic else 'NO'}   appraised: {'yes' if verdict.appraised else 'NO'}")
    print_facts(
        {
            "verdict": _id(verdict.name),
            "because": verdict.detail,
            "reasons": verdict.reasons,
            "format": verdict.format.value,
            "judged": verdict.verify_time,
            "not checked": verdict.not_checked,
        }
    )


def _id(name: str) -> str:
    return name.rpartition("/")[2]
