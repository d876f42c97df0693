"""How an address is told to those who connect to it."""

from typing import Final

_HERE: Final = frozenset({"127.0.0.1", "0.0.0.0", "::"})  # noqa: S104 - nothing is bound here


def shown_address(address: str, port: int) -> str:
    """For who is on this machine: the certificate has the name localhost, and an address that stands for all of them
    is none to connect to.
    """
    return f"localhost:{port}" if address in _HERE else f"{address}:{port}"
