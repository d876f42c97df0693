"""The way to the API: is somebody there, is it our server, when do certificates end."""

import socket
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from hallmark_client.profile import Profile
from kms.cli.doctor.finding import Finding, ok, problem, warning
from kms.cli.output import moment

_SECONDS: Final = 5.0
SOON: Final = timedelta(days=14)


def check_connection(profile: Profile, now: datetime) -> Iterator[Finding]:
    """Without the client's certificate, whose turn comes with the first call."""
    host, _, port = profile.address.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal():
        yield problem("api", f"{profile.address} is no address", "an address is HOST:PORT, such as kms-2.example:7443")
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    context.load_verify_locations(cadata=profile.ca_pem.decode("ascii"))
    try:
        with (
            socket.create_connection((host, int(port)), _SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            found = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")
            yield ok("api", f"{profile.address} answers with {secure.version()}")
    except ssl.SSLCertVerificationError as error:
        yield problem(
            "api",
            f"the certificate of {profile.address} does not hold: {error.verify_message}",
            _certificate_advice(error),
        )
        return
    except ssl.SSLError as error:
        yield problem(
            "api", f"{profile.address} does not speak TLS: {error.reason}", "check the port, and proxies between"
        )
        return
    except (OSError, ValueError) as error:
        says = f"nobody answers at {profile.address}: {getattr(error, 'strerror', None) or error}"
        yield problem("api", says, "`hallmark serve` starts a server; check address, port, and firewalls between")
        return
    yield _ends("server-certificate", "the server's certificate", found.not_valid_after_utc, now)


def check_identity_file(profile: Profile, now: datetime) -> Iterator[Finding]:
    """Nothing where the identity is a bearer token alone."""
    if not profile.cert_pem:
        return
    certificate = x509.load_pem_x509_certificates(profile.cert_pem)[0]
    yield _ends("client-certificate", "this identity's certificate", certificate.not_valid_after_utc, now)


def _ends(check: str, whose: str, end: datetime, now: datetime) -> Finding:
    if end <= now:
        return problem(
            check, f"{whose} ended {moment(end)}", "renew it; a server's own authority does it while it runs"
        )
    if end - now < SOON:
        advice = "renew it; a server's own authority does it a month before, while it runs"
        return warning(check, f"{whose} ends {moment(end)}", advice)
    return ok(check, f"{whose} holds until {moment(end)}")


def _certificate_advice(error: ssl.SSLCertVerificationError) -> str:
    if "expired" in error.verify_message:
        return "renew the server's certificate, and check the clocks of both machines"
    if "mismatch" in error.verify_message or "not valid for" in error.verify_message:
        return "put this name into server.host_names, or use a name that is there"
    return "use a profile folder that this very server wrote, or its authority's ca.pem"
