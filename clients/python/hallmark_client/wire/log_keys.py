"""Keys of the log from the wire."""

from hallmark.v1 import log_pb2
from hallmark_client.model.log_keys import LogKey, RotatedLogKey
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import moment_or_none


def log_keys_of(wire: log_pb2.ListLogKeysResponse) -> tuple[LogKey, ...]:
    return tuple(log_key_of(key) for key in wire.keys)


def rotated_of(wire: log_pb2.RotateLogKeyResponse) -> RotatedLogKey:
    return RotatedLogKey(key=log_key_of(wire.key), log=promise_of(wire.log))


def log_key_of(wire: log_pb2.LogKey) -> LogKey:
    return LogKey(
        vkey=wire.vkey,
        origin=wire.origin,
        number=wire.number,
        create_time=moment_or_none(wire, "create_time"),
        retire_time=moment_or_none(wire, "retire_time"),
    )
