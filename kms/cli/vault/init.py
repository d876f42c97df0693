"""`hallmark vault init`: an empty vault, and what stands behind its keys."""

from pathlib import Path

import click

from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import print_facts, print_json
from kms.cli.vault.opening import CLI_APPLICATION, Place, vault_options


@click.command()
@vault_options
@click.option("--allow", multiple=True, metavar="APPLICATION", help="May do everything. Default: this command line.")
@click.option(
    "--policy", "policy_file", type=click.Path(path_type=Path, dir_okay=False), help="Who may do what, in JSON."
)
@json_option
def init(place: Place, allow: tuple[str, ...], policy_file: Path | None, as_json: bool) -> None:
    """Make an empty vault, and the root of trust that keeps its keys.

    The root decides what the vault is worth: a TPM makes deleted artifacts unreadable in every copy, a passphrase is as
    good as it is long, and the output says what each does not protect against.

    \b
    Example:  hallmark vault init --root tpm2:
              hallmark vault init --vault ./v --secret-file pass.txt
              hallmark vault init --root "pkcs11:token=hallmark?module-path=/usr/lib/softhsm/libsofthsm2.so"
    Then:     hallmark vault put model.gguf --name models/chat --kind model-weights
    """
    from hallmark_client.device.commands.policy_file import allowing, read_policy
    from hallmark_client.device.vault import Vault

    if place.exists:
        raise not_usable("VAULT_EXISTS", f"there is a vault in {place.folder} already", "Name another: --vault DIR")
    if policy_file is not None and allow:
        raise click.UsageError("--policy says who may do what: leave out --allow")
    if not all(allow):
        raise click.BadParameter("an application has a name", param_hint="--allow")
    policy = allowing(allow or (CLI_APPLICATION,)) if policy_file is None else read_policy(policy_file)
    with place.open_root() as root, Vault.open(place.folder, root, tenant=place.tenant, policy=policy) as vault:
        facts = vault.root_facts
        if as_json:
            print_json(
                {"vault": str(place.folder), "epoch": vault.epoch, "policy": policy.version, "root": facts.to_dict()}
            )
            return
        click.echo(f"Made the vault {place.folder}.")
        powers = [f"{power} (by {by})" for power, by in facts.powers.items()]
        print_facts({"root": facts.name, "assurance": facts.assurance, "is": facts.detail, "enforces": powers})
        for caveat in facts.caveats:
            click.echo(f"  but: {caveat}")
    click.echo("Next: hallmark vault put FILE --name NAME --kind KIND")
