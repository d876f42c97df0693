"""The option --all-tenants, and what who may not use it is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from kms.cli.failure import CommandError, ExitCode

all_tenants_option: Final = click.option(
    "--all-tenants", is_flag=True, help="Of all tenants; for operators (--as admin)."
)


@contextmanager
def asked_for(all_tenants: bool) -> Iterator[None]:
    """The server's uniform "not found" would not tell what to do. Raises CommandError."""
    from hallmark_client.errors import NotFound

    try:
        yield
    except NotFound as error:
        if not all_tenants:
            raise
        raise CommandError(
            error.reason,
            "all tenants are for operators, admins of the operators' tenant",
            exit_code=ExitCode.SERVER_SAYS_NO,
            advice="Use --as admin with the operators' identities, or leave --all-tenants out",
        ) from error
