"""One bounded GET, for pages whose server is a plain one."""

import http.client
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

BYTES_MAX: Final = 4_000_000
_SECONDS: Final = 5.0


class PageAway(Exception):
    """Nobody answers there, or not HTTP. The text says why."""


@dataclass(frozen=True, slots=True)
class Page:
    status: int
    body: bytes


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: object) -> None:
        """What redirects is not the server that is asked about."""


def get(url: str) -> Page:
    """Whatever its status. Raises PageAway, also for what is no http or https URL."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise PageAway(f"{url} is not an http or https URL")
    opener = urllib.request.build_opener(
        _NoRedirect, urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    try:
        with opener.open(url, timeout=_SECONDS) as answer:
            return Page(answer.status, answer.read(BYTES_MAX))
    except urllib.error.HTTPError as error:
        with error:
            return Page(error.code, error.read(BYTES_MAX))
    except urllib.error.URLError as error:
        raise PageAway(str(error.reason)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise PageAway(str(error) or type(error).__name__) from error
