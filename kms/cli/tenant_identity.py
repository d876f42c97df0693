"""Identities of other tenants, from the local authority of a server's home folder."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kms.cli.failure import not_usable
from kms.cli.output import write_file

if TYPE_CHECKING:
    from hallmark_client.profile import Profile


def check_authority(home: Path) -> None:
    """Raises CommandError where the home folder has no authority: at servers whose clients' certificates come from
    elsewhere, and away from the server.
    """
    if not (home / "tls" / "ca.key").is_file():
        raise not_usable(
            "NO_LOCAL_AUTHORITY",
            f"{home} has no local authority (tls/ca.key): identities are made beside the server's home folder",
            "Run it there, with --home; or let your own authority issue a certificate with the SPIFFE name "
            "spiffe://TRUST-DOMAIN/tenants/TENANT/ROLE/NAME",
        )


def make_identity(home: Path, tenant: str, role: str, name: str, profile: "Profile") -> Path:
    """A profile folder, home/clients/{tenant}.{name}, for the server of `profile`. Made again, it is kept, with the
    server's present address. Raises CommandError.
    """
    from kms.core.identity import Role
    from kms.server.local_ca import LocalAuthority

    check_authority(home)
    authority = LocalAuthority(home, trust_domain=_trust_domain(profile.cert_pem), now=datetime.now(UTC))
    try:
        folder = authority.ensure_client(tenant, Role(role), name)
    except ValueError as error:
        raise not_usable("IDENTITY", str(error)) from error
    facts = {"address": profile.address, "tenant": tenant, "public_url": profile.public_url}
    write_file(folder / "profile.json", (json.dumps(facts, indent=2) + "\n").encode())
    return folder


def _trust_domain(certificate: bytes) -> str:
    """Of the SPIFFE name in the certificate."""
    from cryptography import x509

    names = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    (uri,) = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    return uri.removeprefix("spiffe://").partition("/")[0]
