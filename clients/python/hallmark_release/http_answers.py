"""HTTP connections that wait for the head of an answer for so long and no longer.

http.client bounds each wait on the socket, not all of them: a server that sends a byte of a header every few seconds,
or "100 Continue" without end, would hold a device for ever.
"""

import contextlib
import http.client
import socket
import ssl
import threading
import urllib.request
from typing import Any


class AnswerTooSlow(Exception):
    """The connection was closed because its answer had not begun in time."""


class _Watched(http.client.HTTPConnection):
    def getresponse(self) -> http.client.HTTPResponse:
        late = threading.Event()

        def end() -> None:
            late.set()
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)  # wakes whoever reads

        timer = threading.Timer(self.timeout or 0, end)
        timer.daemon = True
        timer.start()
        try:
            response = super().getresponse()
        except (OSError, ValueError, http.client.HTTPException):
            if not late.is_set():
                raise
        finally:
            timer.cancel()
        if late.is_set():  # also when it seems to have come: http.client takes a head that was cut for a whole one
            raise AnswerTooSlow
        return response


class _WatchedTls(_Watched, http.client.HTTPSConnection):
    pass


class _Http(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_Watched, request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(context=context)
        self._tls = context

    def https_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_WatchedTls, request, context=self._tls)


def handlers(tls: ssl.SSLContext | None) -> tuple[urllib.request.BaseHandler, ...]:
    """For urllib.request.build_opener. The request must have a timeout."""
    return _Http(), _Https(tls)
