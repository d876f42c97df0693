"""client.aliases: other names for keys, which can be pointed elsewhere without telling those who use them."""

from collections.abc import Iterator

from hallmark.v1 import keys_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.model.enums import LogWait
from hallmark_client.model.key_settings import Alias
from hallmark_client.model.log import LogPromise
from hallmark_client.wire.key_settings import alias_of, set_alias_of
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import log_wait_argument


class Aliases:
    """Reached as `client.aliases`. An alias may be short: "current". Signing takes it as "aliases/current"."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def set(
        self,
        alias: str,
        key: str,
        *,
        etag: str | None = None,
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> Alias:
        """Create an alias, or point it to another key. etag: of the alias as it was read; refuses with Aborted
        (ETAG_MISMATCH) when it changed meanwhile. Raises NotFound for the key.
        """
        request = keys_pb2.SetAliasRequest(
            alias=keys_pb2.Alias(name=self._calls.names.alias(alias), key=self._calls.names.key(key), etag=etag or ""),
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.SET_ALIAS, request, set_alias_of)

    def delete(self, alias: str, *, etag: str | None = None, request_id: str | None = None) -> LogPromise:
        """The key stays. Raises NotFound (ALIAS_NOT_FOUND)."""
        request = keys_pb2.DeleteAliasRequest(
            name=self._calls.names.alias(alias), etag=etag or "", request_id=self._calls.request_id(request_id)
        )
        return self._calls(rpc.DELETE_ALIAS, request, lambda answer: promise_of(answer.log))

    def list(self, *, page_size: int = 0) -> Iterator[Alias]:
        """Every alias of the tenant by name, fetched page by page."""
        token = ""
        while True:
            request = keys_pb2.ListAliasesRequest(
                parent=self._calls.names.parent, page_size=page_size, page_token=token
            )
            aliases, token = self._calls(
                rpc.LIST_ALIASES,
                request,
                lambda page: ([alias_of(each) for each in page.aliases], page.next_page_token),
            )
            yield from aliases
            if not token:
                return
