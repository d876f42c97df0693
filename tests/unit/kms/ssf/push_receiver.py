"""A receiver of pushes: a real HTTP server on this machine, which answers as it is told."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class PushReceiver:
    """`answers`: whole HTTP answers, one for each request; the last one is for all that follow."""

    answers: list[bytes]
    url: str = ""
    requests: list[tuple[dict[str, str], str]] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                request, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests.append(({**headers, "": request}, body.decode()))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if not answer:
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()

    @property
    def tokens(self) -> list[str]:
        return [token for _, token in self.requests]


def response(status: str, body: bytes = b"", *extra: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *extra]
    return "\r\n".join([*lines, "", ""]).encode() + body


ACCEPTED = response("202 Accepted")


@contextlib.asynccontextmanager
async def receiving(*answers: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[PushReceiver]:
    receiver = PushReceiver(list(answers or (ACCEPTED,)))
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    receiver.url = f"{'http' if tls is None else 'https'}://localhost:{port}/events?of=mdm"
    try:
        yield receiver
    finally:
        server.close()
        await server.wait_closed()
