"""What a change of settings takes, and how others are asked for it."""

from typing import TYPE_CHECKING

import click

from kms.cli.output import print_facts, print_json, short

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.approvals import Proposal
    from hallmark_client.model.key_settings import UpdateRehearsal


def tell_update(client: "Client", rehearsal: "UpdateRehearsal", *, reason: str, propose: bool, as_json: bool) -> None:
    """What an update would do; with `propose` others are asked. Nothing is changed."""
    name = short(rehearsal.key.name)
    if not propose:
        if as_json:
            print_json({**rehearsal.to_dict(), "parameters_sha256": rehearsal.parameters_sha256.hex()})
            return
        click.echo("Nothing was changed.")
        print_facts(
            {
                "loosens": list(rehearsal.loosened) or "nothing",
                "approvals": rehearsal.approvals_needed or "none needed",
                "parameters": rehearsal.parameters_sha256.hex(),
            }
        )
        return
    if not rehearsal.parameters_sha256:
        raise click.UsageError(f"this loosens nothing of {name} and needs no approval: leave --propose out")
    own = rehearsal.key.purpose.value in {"SERVICE", "IMPORT"}
    proposal = client.approvals.propose(
        "TRUST_ROOT_CHANGE" if own else "POLICY_CHANGE",
        rehearsal.key.name,
        reason=reason,
        parameters_sha256=rehearsal.parameters_sha256,
    )
    compare = "what the same command says with --validate-only instead of --propose"
    tell_proposal(proposal, compare, "the same command", as_json=as_json)


def tell_proposal(proposal: "Proposal", compare: str, again: str, *, as_json: bool) -> None:
    """What comes next: others look and approve, then the act is done."""
    if as_json:
        print_json(proposal.to_dict())
        return
    number = proposal.name.rpartition("/")[2]
    click.echo(f"Proposed; its ID is {number}. It takes {proposal.approvals_needed} of the others:")
    click.echo(f"  hallmark approvals approve {number} --profile HOME/clients/THEIRS")
    click.echo(f"They compare its parameters with {compare}.")
    click.echo(f"Then: {again} --proposal {number}")
