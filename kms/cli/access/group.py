"""`hallmark access`: who may do what. A new command is a module of this folder and a name in the list below."""

import click

from kms.cli.access.grants import grant
from kms.cli.access.policies import activate, dry_run, get, list_policies, schema, set_policy
from kms.cli.access.telling import effective, test


@click.group()
def access() -> None:
    """Who may do what, beside the calls that each role is for: policies in Cedar, and grants that expire.

    Policies are kept as versions that are checked, signed and logged. While none is active, roles decide alone. With
    one, what it does not permit is denied, and what it forbids is forbidden whatever else permits it.

    \b
    Example:  hallmark access schema > hallmark.cedarschema
              hallmark access set access.cedar --title "only our network"
              hallmark access dry-run 1
              hallmark access activate 1
    """


for _command in (set_policy, get, list_policies, dry_run, activate, test, effective, schema, grant):
    access.add_command(_command)
