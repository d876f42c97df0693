"""`hallmark approvals`: acts that take several people."""

import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_facts, print_json, print_table, short

if TYPE_CHECKING:
    from hallmark_client.model.approvals import Proposal

ACTS = ("destroy", "shred", "export", "policy-change", "trust-root-change")
STATES = ("open", "approved", "rejected", "expired", "executed")


@click.group()
def approvals() -> None:
    """Acts that take several people: one proposes, others approve, then it is done once.

    An approval is a signature with the key of the approver's own profile. How many are needed is a setting of the
    server (approvals.required); its setting server.admins makes profiles for several people.

    \b
    Example:  hallmark approvals propose shred telemetry/versions/1 --reason "end of retention"
    Then, somebody else:  hallmark approvals approve ID --profile HOME/clients/bob
    """


@approvals.command()
@click.argument("act", type=click.Choice(ACTS))
@click.argument("subject")
@click.option("--reason", default="", help="Why; whoever approves signs it too.")
@click.option("--parameters", default="", metavar="HEX", help="SHA-256 of what exactly; a refused call tells it.")
@click.option("--hours", type=click.FloatRange(1 / 6, 168), default=24, show_default=True, help="How long it may wait.")
@server_options("admin")
@json_option
def propose(act: str, subject: str, reason: str, parameters: str, hours: float, server: Server, as_json: bool) -> None:
    """Ask others to agree to an act on SUBJECT, a name as other commands show it.

    `hallmark keys export --propose` and `hallmark keys update --propose` fill in the parameters themselves.

    \b
    Example:  hallmark approvals propose shred telemetry/versions/1 --reason "end of retention"
    Then:     hallmark approvals show ID
    """
    with server.connect() as client:
        proposal = client.approvals.propose(
            act.replace("-", "_"),
            subject,
            reason=reason,
            parameters_sha256=_parameters(parameters),
            lifetime=timedelta(hours=hours),
        )
    _tell(proposal, f"Proposed {_what(proposal)}; it needs {_people(proposal.approvals_needed)}.", as_json=as_json)


@approvals.command()
@click.argument("proposal_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@server_options("admin")
@json_option
def approve(proposal_id: str, yes: bool, server: Server, as_json: bool) -> None:
    """Show a proposal and sign that you agree to it. Nobody approves what they proposed.

    \b
    Example:  hallmark approvals approve ID --profile HOME/clients/bob
    Then:     hallmark envelope shred telemetry/versions/1 --proposal ID
    """
    with server.connect() as client:
        proposal = client.approvals.get(proposal_id)
        if not yes:
            _print(proposal, err=True)
            _ask("Do you agree?")
        approved = client.approvals.approve(proposal)
    _tell(approved, f"Approved {_what(approved)}; {_progress(approved)}.", as_json=as_json)


@approvals.command()
@click.argument("proposal_id", metavar="ID")
@server_options("admin")
@json_option
def reject(proposal_id: str, server: Server, as_json: bool) -> None:
    """Say no to a proposal, for good. Whoever proposed it withdraws it like this.

    \b
    Example:  hallmark approvals reject ID
    Then:     hallmark approvals list
    """
    with server.connect() as client:
        rejected = client.approvals.reject(proposal_id)
    _tell(rejected, f"Rejected {_what(rejected)}.", as_json=as_json)


@approvals.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those.")
@server_options("auditor")
@json_option
def list_proposals(state: str | None, server: Server, as_json: bool) -> None:
    """List proposals, newest first.

    \b
    Example:  hallmark approvals list --state open
    Then:     hallmark approvals show ID
    """
    with server.connect() as client:
        found = list(client.approvals.list(state=state))
    if as_json:
        print_json({"proposals": [proposal.to_dict() for proposal in found]})
    elif found:
        rows = [
            (
                proposal.name.rpartition("/")[2],
                proposal.state.value,
                _what(proposal),
                f"{len(proposal.approvals)} of {proposal.approvals_needed}",
                moment(proposal.expire_time),
            )
            for proposal in found
        ]
        print_table(("ID", "STATE", "ACT", "APPROVALS", "EXPIRES"), rows)
    else:
        click.echo("There is no such proposal. Next: hallmark approvals propose --help")


@approvals.command()
@click.argument("proposal_id", metavar="ID")
@server_options("auditor")
@json_option
def show(proposal_id: str, server: Server, as_json: bool) -> None:
    """Show a proposal and who approved it.

    \b
    Example:  hallmark approvals show ID
    Then:     hallmark approvals approve ID --profile HOME/clients/bob
    """
    with server.connect() as client:
        proposal = client.approvals.get(proposal_id)
    if as_json:
        print_json(proposal.to_dict())
    else:
        _print(proposal)


def _parameters(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b"?"
    if len(found) not in {0, 32}:
        raise click.BadParameter("it has 64 hexadecimal digits", param_hint="--parameters")
    return found


def _tell(proposal: "Proposal", sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(proposal.to_dict())
        return
    click.echo(sentence)
    click.echo(f"Its ID is {proposal.name.rpartition('/')[2]}. Next: hallmark approvals show ID")


def _print(proposal: "Proposal", *, err: bool = False) -> None:
    click.echo(_what(proposal), err=err)
    print_facts(
        {
            "id": proposal.name.rpartition("/")[2],
            "state": proposal.state.value,
            "reason": proposal.reason,
            "parameters": proposal.parameters_sha256.hex(),
            "proposed by": proposal.proposer,
            "proposed": proposal.create_time,
            "expires": proposal.expire_time,
            "approvals": f"{len(proposal.approvals)} of {proposal.approvals_needed}",
            "approved by": [approval.approver for approval in proposal.approvals],
        },
        err=err,
    )


def _what(proposal: "Proposal") -> str:
    return f"{proposal.act.value.lower().replace('_', ' ')} of {short(proposal.subject)}"


def _people(number: int) -> str:
    return "another person's approval" if number == 1 else f"the approvals of {number} others"


def _progress(proposal: "Proposal") -> str:
    missing = proposal.approvals_needed - len(proposal.approvals)
    return f"{missing} more to go" if missing > 0 else "that is enough: it may be done, once"


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise not_usable("NOT_CONFIRMED", "nobody is there to ask", "Give --yes once you have looked at it")
    click.confirm(question, abort=True, err=True)
