"""Aliases of the fake."""

import hashlib

import grpc

from hallmark.v1 import keys_pb2
from hallmark_client.testing.key_rules import stamp
from hallmark_client.testing.keys import FakeKeys
from hallmark_client.testing.refusals import invalid, not_found, refusal
from hallmark_client.testing.state import State


class FakeAliases:
    """SetAlias, DeleteAlias, ListAliases. What they point to is in FakeKeys, which resolves them."""

    def __init__(self, state: State, keys: FakeKeys) -> None:
        self._state = state
        self._keys = keys

    def set(self, request: keys_pb2.SetAliasRequest) -> keys_pb2.SetAliasResponse:
        name = self._check(request.alias.name)
        key, number = self._state.read_key_name(request.alias.key)
        if number is not None:
            raise invalid("alias.key", "must look like tenants/{tenant}/keys/{key}", "NAME_INVALID")
        if self._keys.find(key).purpose == keys_pb2.KEY_PURPOSE_SERVICE:
            raise not_found(key)
        before = self._keys.aliases.get(name)
        _check_etag(name, request.alias.etag, before)
        alias = keys_pb2.Alias(name=name, key=key, update_time=stamp(self._state.now()))
        alias.etag = hashlib.sha256((before.etag if before else name).encode()).hexdigest()[:16]
        self._keys.point_alias(name, alias)
        log = self._state.record("alias.set", name, {"key": key}, wait=request.log_wait)
        return keys_pb2.SetAliasResponse(alias=alias, log=log)

    def delete(self, request: keys_pb2.DeleteAliasRequest) -> keys_pb2.DeleteAliasResponse:
        name = self._check(request.name)
        alias = self._keys.aliases.get(name)
        if alias is None:
            raise refusal(grpc.StatusCode.NOT_FOUND, "ALIAS_NOT_FOUND", f"{name} was not found")
        _check_etag(name, request.etag, alias)
        self._keys.point_alias(name, None)
        return keys_pb2.DeleteAliasResponse(log=self._state.record("alias.deleted", name, {}, wait=0))

    def list(self, request: keys_pb2.ListAliasesRequest) -> keys_pb2.ListAliasesResponse:
        self._state.check_parent(request.parent)
        names = [name for name in sorted(self._keys.aliases) if name > request.page_token]
        size = request.page_size or len(names) or 1
        more = names[size - 1] if len(names) > size else ""
        return keys_pb2.ListAliasesResponse(
            aliases=[self._keys.aliases[name] for name in names[:size]], next_page_token=more
        )

    def _check(self, name: str) -> str:
        if self._state.read_alias_name(name) != self._state.tenant:
            raise not_found(name)
        return name


def _check_etag(name: str, given: str, alias: keys_pb2.Alias | None) -> None:
    if given and (alias is None or given != alias.etag):
        sentence = f"{name} changed meanwhile; read it again and retry"
        raise refusal(grpc.StatusCode.ABORTED, "ETAG_MISMATCH", sentence)
