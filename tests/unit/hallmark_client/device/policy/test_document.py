import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from hallmark_client.device.model import Enforcement
from hallmark_client.device.policy import (
    Callers,
    ConcurrentReaders,
    MaxBytes,
    MaxUses,
    MinimumVersion,
    NotAfter,
    Operation,
    PolicyInvalid,
    RequiresLease,
    Rule,
    TimeToLive,
    UserPresent,
    VaultPolicy,
)
from hallmark_client.device.policy.vault_policy import POLICY_BYTES_MAX

EVERY_CLAUSE = VaultPolicy(
    version=7,
    tenant="acme",
    administrators=Callers(applications=("com.example.admin",), enforcement=Enforcement.PLATFORM),
    names={
        "assistant/*": Rule(
            operations=(Operation.GET, Operation.LIST),
            callers=Callers(applications=("com.example.a", "com.example.b")),
            max_uses=MaxUses(uses=3, enforcement=Enforcement.HARDWARE),
            not_after=NotAfter(time=datetime(2027, 1, 1, tzinfo=UTC)),
            ttl=TimeToLive(seconds=60, enforcement=Enforcement.HARDWARE),
            requires_lease=RequiresLease(),
            minimum_version=MinimumVersion(version=2),
            user_present=UserPresent(),
            concurrent_readers=ConcurrentReaders(readers=2),
            max_bytes=MaxBytes(size=1_000),
        )
    },
    kinds={"*": Rule(operations=()), "CREDENTIAL": Rule(operations=(), max_uses=MaxUses(uses=5, seconds=3_600))},
)
DATA = (
    b'{"administrators":{"applications":["com.example.admin"],"enforcement":"platform"},'
    b'"format":"hallmark-vault-policy/v1","kinds":['
    b'{"kind":"*","rule":{"callers":{"applications":[],"enforcement":"advisory"},"operations":[]}},'
    b'{"kind":"CREDENTIAL","rule":{"callers":{"applications":[],"enforcement":"advisory"},'
    b'"max_uses":{"enforcement":"advisory","seconds":3600,"uses":5},"operations":[]}}],'
    b'"names":[{"name":"assistant/*","rule":{'
    b'"callers":{"applications":["com.example.a","com.example.b"],"enforcement":"advisory"},'
    b'"concurrent_readers":{"enforcement":"advisory","readers":2},"max_bytes":{"enforcement":"advisory","size":1000},'
    b'"max_uses":{"enforcement":"hardware","uses":3},"minimum_version":{"enforcement":"advisory","version":2},'
    b'"not_after":{"enforcement":"advisory","time":"2027-01-01T00:00:00.000000Z"},"operations":["get","list"],'
    b'"requires_lease":{"enforcement":"server"},"ttl":{"enforcement":"hardware","seconds":60},'
    b'"user_present":{"enforcement":"platform"}}}],"tenant":"acme","version":7}'
)


def test_every_clause_is_written_and_read() -> None:
    assert EVERY_CLAUSE.to_bytes() == DATA
    assert VaultPolicy.parse(DATA) == EVERY_CLAUSE
    assert EVERY_CLAUSE.digest == hashlib.sha256(DATA).hexdigest()


def test_names_may_be_in_any_script() -> None:
    found = VaultPolicy(version=1, names={"modèle/*": Rule(operations=()), "模型": Rule(operations=())})
    assert VaultPolicy.parse(found.to_bytes()) == found


def put(old: bytes, new: bytes) -> Callable[[], bytes]:
    assert old in DATA
    return lambda: DATA.replace(old, new, 1)


OTHER_BYTES = {
    "nothing": lambda: b"",
    "an array": lambda: b"[]",
    "no member": lambda: b"{}",
    "white space": lambda: DATA + b"\n",
    "another format": put(b"policy/v1", b"policy/v2"),
    "another member": put(b'"tenant"', b'"more":1,"tenant"'),
    "a member twice": put(b'"tenant":"acme"', b'"tenant":"acme","tenant":"acme"'),
    "a version with a point": put(b'"version":7', b'"version":7.0'),
    "a version in words": put(b'"version":7', b'"version":"7"'),
    "a version that is true": put(b'"version":7', b'"version":true'),
    "a negative version": put(b'"version":7', b'"version":-7'),
    "no tenant": put(b'"tenant":"acme"', b'"tenant":null'),
    "an unknown clause": put(b'"requires_lease"', b'"requires_license"'),
    "an unknown enforcement": put(b'"server"', b'"magic"'),
    "an enforcement that is no text": put(b'"server"', b"{}"),
    "no enforcement": put(b'{"enforcement":"server"}', b"{}"),
    "another member of a clause": put(b'{"enforcement":"server"}', b'{"enforcement":"server","x":1}'),
    "a clause that is null": put(b'{"enforcement":"server"}', b"null"),
    "an unknown operation": put(b'"list"', b'"lust"'),
    "an operation that is no text": put(b'"list"', b"[]"),
    "operations out of order": put(b'["get","list"]', b'["list","get"]'),
    "operations that are no list": put(b'["get","list"]', b'"get"'),
    "no operations": put(b'"operations":["get","list"],', b""),
    "no callers": put(b'"callers":{"applications":["com.example.a","com.example.b"],"enforcement":"advisory"},', b""),
    "applications out of order": put(b'["com.example.a","com.example.b"]', b'["com.example.b","com.example.a"]'),
    "an application that is no text": put(b'"com.example.a"', b"1"),
    "seconds that are null": put(b'"seconds":3600', b'"seconds":null'),
    "seconds that are no minutes": put(b'"seconds":3600', b'"seconds":3601'),
    "a ttl without seconds": put(b',"seconds":60', b""),
    "another spelling of a time": put(b"00.000000Z", b"00Z"),
    "no rules": put(b'"names":[', b'"names":{},"nomes":['),
    "kinds that are no list": lambda: DATA[: DATA.index(b'"kinds"')] + b'"kinds":{}' + DATA[DATA.index(b',"names"') :],
    "an unknown kind": put(b'"CREDENTIAL"', b'"CREDENTIALS"'),
    "a kind twice": put(b'"kind":"*"', b'"kind":"CREDENTIAL"'),
    "kinds out of order": put(b'"kind":"*"', b'"kind":"OTHER"'),
    "a rule without its name": put(b'"name":"assistant/*",', b""),
    "not Unicode": put(b"acme", b"\xff"),
    "half a character": put(b"acme", b"\\ud800"),
    "too long": lambda: b'{"administrators":' + b" " * POLICY_BYTES_MAX + b"}",
    "too deep": lambda: b"[" * 100_000,
}


@pytest.mark.parametrize("name", OTHER_BYTES)
def test_other_bytes_are_no_policy(name: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        VaultPolicy.parse(OTHER_BYTES[name]())
    assert caught.value.reason == "POLICY_INVALID"
