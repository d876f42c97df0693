"""How an address is told to those who connect to it."""


def shown_address(address: str, port: int) -> str:
    """The server's certificate has the name localhost where 127.0.0.1 is listened on."""
    return f"localhost:{port}" if address == "127.0.0.1" else f"{address}:{port}"
