"""Which backend of the package `keyring` may keep a root of trust: the operating systems' own ones, nothing else."""

from typing import TYPE_CHECKING, Final

from hallmark_client.device.errors import RootUnavailable

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

_OF_SYSTEMS: Final = frozenset(
    f"keyring.backends.{name}" for name in ("SecretService", "libsecret", "kwallet", "macOS", "Windows")
)
_NEVER: Final = ("keyring.backends.fail", "keyring.backends.null", "keyrings.")
"""What stores nothing, and keyrings.alt with its kin, which keep secrets in files that can be read."""
_RECOMMENDED: Final = 1
"""Below it the backend itself advises against its use (documentation of keyring, "priority")."""
_ADVICE: Final = (
    "start a desktop session with GNOME Keyring or KWallet (for a service: dbus-run-session and gnome-keyring-daemon "
    "--unlock), or use another root of trust: tpm2:, pkcs11:, passphrase:"
)


def chosen_backend(given: "KeyringBackend | None") -> "KeyringBackend":
    """given: the caller's own choice, refused only where it is known to be no safe place. Raises RootUnavailable."""
    try:
        import keyring
    except ImportError:
        raise _unavailable('the package "keyring" is not installed: pip install "hallmark[keyring]"') from None
    if given is not None:
        if not _fit(given):
            raise _unavailable(f"{given.name} does not keep secrets from others: {_ADVICE}")
        return given
    try:
        found = keyring.get_keyring()
        # The chainer asks one backend after the other; here it must be clear which one has the keys.
        backends: list[KeyringBackend] = getattr(found, "backends", None) or [found]
    except Exception as error:  # a configuration file that names what is not there, a broken backend
        raise _unavailable(f"the keyring can not be set up ({type(error).__name__}): {_ADVICE}") from None
    for backend in backends:
        if type(backend).__module__ in _OF_SYSTEMS and _fit(backend):
            return backend
    names = ", ".join(sorted(type(backend).__module__ for backend in backends))
    raise _unavailable(f"there is no keyring of the operating system (found: {names}): {_ADVICE}")


def _fit(backend: "KeyringBackend") -> bool:
    if type(backend).__module__.startswith(_NEVER):
        return False
    try:
        return float(backend.priority) >= _RECOMMENDED
    except Exception:  # a priority is code of the backend that looks around; RuntimeError is how it says no
        return False


def _unavailable(why: str) -> RootUnavailable:
    return RootUnavailable("ROOT_UNAVAILABLE", why)
