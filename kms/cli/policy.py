"""`hallmark policy`: what a tenant's devices are judged by."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import not_so
from kms.cli.identifiers import POLICY, POLICY_NUMBER
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_facts, print_json, print_table, read_file, short

if TYPE_CHECKING:
    from attestation.policy_file import PolicyForm
    from hallmark_client.model.policies import DeviceChange, DeviceStanding, DryRun, Policy

_EXISTING: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_FORMS: Final = click.Choice(("toml", "json"))


@click.group()
def policy() -> None:
    """What devices are judged by: a readable file, kept as versions that are signed and logged.

    Nothing is judged by a new version before it is activated; until the first one is, the strict policy that is built
    in holds. A dry run tells beforehand which devices would change.

    \b
    Example:  hallmark policy show --default > policy.toml
              hallmark policy check policy.toml
              hallmark policy set policy.toml
              hallmark policy dry-run 1
              hallmark policy activate 1
    """


@policy.command()
@click.argument("file", type=_EXISTING)
@json_option
def check(file: Path, as_json: bool) -> None:
    """Read a policy file and name every mistake in it, without a server. FILE.json is JSON, everything else TOML.

    Keys that are not known are mistakes. What is left out has its strict default. Ends 1 when something is wrong.

    \b
    Example:  hallmark policy check policy.toml
    Then:     hallmark policy set policy.toml
    """
    from attestation import rego
    from attestation.errors import PolicyError
    from attestation.policy_file import FILE_BYTES_MAX, read_policy

    try:
        found = read_policy(read_file(file, FILE_BYTES_MAX), _form_of(file))
        if found.rego.module is not None and (problems := rego.unusable(found.rego.module)):
            raise PolicyError(problems)
    except PolicyError as error:
        for problem in () if as_json else error.problems:
            click.echo(f"  {problem}", err=True)
        mistakes = f"{len(error.problems)} mistake{'s' if len(error.problems) > 1 else ''}"
        sentence = "; ".join(error.problems) if as_json else f"{file} has {mistakes}"
        raise not_so("POLICY_INVALID", sentence, "`hallmark policy show --default` shows every key") from error
    if as_json:
        print_json({"name": found.name, "valid": True})
    else:
        click.echo(f"{file} is a policy named {found.name!r}. Next: hallmark policy set {file}")


@policy.command()
@click.argument("version", type=POLICY, default="active")
@click.option("--default", "built_in", is_flag=True, help="The built-in strict policy with explanations; no server.")
@click.option("--form", type=_FORMS, default="toml", show_default=True, help="With --default: how to write it.")
@server_options("auditor")
@json_option
def show(version: str, built_in: bool, form: str, server: Server, as_json: bool) -> None:
    """Print a policy: the one in force, or VERSION, a number. It is the file as it was set.

    Its signature is checked with the key that the server tells.

    \b
    Example:  hallmark policy show
              hallmark policy show 3
              hallmark policy show --default > policy.toml
    """
    if built_in:
        from attestation.policy import Policy as AttestationPolicy
        from attestation.policy_file import PolicyForm, write_policy

        click.echo(write_policy(AttestationPolicy(), PolicyForm(form), explain=True).decode(), nl=False)
        return
    with server.connect() as client:
        found = client.policies.get(version)
        if found.signature is not None:
            found.verify(client.policies.service_keys())
    if as_json:
        print_json(found.to_dict())
        return
    click.echo(found.document.decode(), nl=False)
    print_facts(_facts(found), err=True)


@policy.command("set")
@click.argument("file", type=_EXISTING)
@server_options("admin")
@json_option
def set_policy(file: Path, server: Server, as_json: bool) -> None:
    """Keep FILE as a new version, signed by the server and logged. Nothing is judged by it before it is activated.

    \b
    Example:  hallmark policy set policy.toml
    Then:     hallmark policy dry-run 1
    """
    from attestation.policy_file import FILE_BYTES_MAX

    document = read_file(file, FILE_BYTES_MAX)
    with server.connect() as client:
        change = client.policies.set(document, form=_form_of(file).value)
    if as_json:
        print_json(change.to_dict())
        return
    number = _number(change.policy)
    click.echo(f"Kept {change.policy.title!r} as version {number}. Next: hallmark policy dry-run {number}")


@policy.command("list")
@server_options("auditor")
@json_option
def list_policies(server: Server, as_json: bool) -> None:
    """List the versions of the policy, newest first.

    \b
    Example:  hallmark policy list
    Then:     hallmark policy show 3
    """
    with server.connect() as client:
        found = list(client.policies.list())
    if as_json:
        print_json({"policies": [each.to_dict() for each in found]})
    elif found:
        rows = [
            (_number(each), each.state.value, each.title, moment(each.create_time), moment(each.activate_time))
            for each in found
        ]
        print_table(("VERSION", "STATE", "NAME", "SET", "ACTIVATED"), rows)
    else:
        click.echo("The built-in strict policy is in force. Next: hallmark policy show --default > policy.toml")


@policy.command("dry-run")
@click.argument("version", type=POLICY)
@server_options("admin")
@json_option
def dry_run(version: str, server: Server, as_json: bool) -> None:
    """Tell which devices would change if VERSION were activated now. Changes nothing.

    The newest evidence of every device is judged by it, as of now and with the status lists and certificates in force.
    "not by the policy" means: the policy in force would judge that device like this today, too.

    \b
    Example:  hallmark policy dry-run 3
    Then:     hallmark policy activate 3
    """
    with server.connect() as client:
        found = client.policies.dry_run(version)
    if as_json:
        print_json(found.to_dict())
        return
    _tell_changes(found)
    click.echo(f"Next: hallmark policy activate {version}")


@policy.command()
@click.argument("version", type=POLICY_NUMBER)
@click.option("--proposal", default="", metavar="ID", help="Approved proposal, where the server asks for approvals.")
@click.option("--propose", is_flag=True, help="Do not activate: propose it, so that others can approve.")
@click.option("--reason", default="", help="With --propose: why; whoever approves signs it too.")
@server_options("admin")
@json_option
def activate(version: str, proposal: str, propose: bool, reason: str, server: Server, as_json: bool) -> None:
    """Judge every device by VERSION from now on; known devices are judged again. Also goes back to an earlier version.

    0 is the built-in policy, to which this tenant's own then gives way. Where the server asks for approvals
    (approvals.required.policy_change), propose it first.

    \b
    Example:  hallmark policy activate 3
              hallmark policy activate 3 --propose --reason "patch level of November"
              hallmark policy activate 3 --proposal ID
    Back to the built-in policy:
              hallmark policy activate 0
    """
    with server.connect() as client:
        if propose:
            found = client.policies.get(version)
            made = client.approvals.propose(
                "policy_change", found.name, reason=reason, parameters_sha256=found.activation_sha256
            )
        else:
            change = client.policies.activate(version, proposal=proposal)
    if as_json:
        print_json(made.to_dict() if propose else change.to_dict())
    elif propose:
        proposal_id = made.name.rpartition("/")[2]
        click.echo(f"Proposed to activate version {version}. Next: hallmark approvals show {proposal_id}")
    else:
        number = _number(change.policy)
        what = "The built-in policy" if number == "0" else f"Version {number}"
        click.echo(f"{what} ({change.policy.title!r}) is in force. Next: hallmark policy show")


def _form_of(file: Path) -> "PolicyForm":
    from attestation.policy_file import PolicyForm

    return PolicyForm.JSON if file.suffix.lower() == ".json" else PolicyForm.TOML


def _number(found: "Policy") -> str:
    return found.name.rpartition("/")[2]


def _facts(found: "Policy") -> dict[str, object]:
    return {
        "version": _number(found),
        "state": found.state.value,
        "set": found.create_time,
        "activated": found.activate_time,
        "signed by": found.signature and short(found.signature.key_version),
        "policy sha256": found.policy_sha256,
    }


def _tell_changes(found: "DryRun") -> None:
    devices = "1 device was judged" if found.examined == 1 else f"{found.examined} devices were judged"
    click.echo(f"{devices}, {len(found.changes) or 'none'} would change.")
    if found.changes:
        print_table(("DEVICE", "NOW", "THEN", "WHY"), [_row(change) for change in found.changes])


def _row(change: "DeviceChange") -> tuple[str, str, str, str]:
    why = ", ".join(change.after.reasons or change.before.reasons)
    return (
        change.device.rpartition("/")[2],
        _word(change.before),
        _word(change.after),
        why if change.by_policy else f"{why} (not by the policy)",
    )


def _word(standing: "DeviceStanding") -> str:
    return "accepted" if standing.appraised else "refused"
