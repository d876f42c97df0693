"""Names on the command line whose shape can be told from here, so that a slip ends 2 and names its argument."""

import re
from typing import Any, Final

import click

_TENANT: Final = r"tenants/[a-z0-9-]{1,63}/"
_UUID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class Identifier(click.ParamType[str]):
    """The last part of a resource name, or all of it: ID, devices/ID, tenants/T/devices/ID."""

    def __init__(self, name: str, collection: str, pattern: str, shape: str) -> None:
        self.name = name
        self._pattern = re.compile(rf"(?:(?:{_TENANT})?{collection}/)?(?:{pattern})")
        self._shape = shape

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if self._pattern.fullmatch(str(value)) is None:
            self.fail(f"{value!r} is not {self._shape}", param, ctx)
        return str(value)


_A_UUID: Final = "such as 3e2c0b54-7c2f-8e0e-b0a5-0d4f1a6f0f8e"
DEVICE: Final = Identifier("device", "devices", _UUID, f"the ID of a device, {_A_UUID}; see `hallmark devices list`")
VERDICT: Final = Identifier(
    "verdict", "verdicts", _UUID, f"the ID of a verdict, {_A_UUID}; see `hallmark devices show`"
)
_NUMBER: Final = r"0|[1-9][0-9]{0,8}"
_VERSIONS: Final = "0 is the built-in policy; see `hallmark policy list`"
POLICY: Final = Identifier("version", "policies", f"{_NUMBER}|active", f'a number or "active" ({_VERSIONS})')
POLICY_NUMBER: Final = Identifier("version", "policies", _NUMBER, f"a number ({_VERSIONS})")
ANCHOR: Final = Identifier(
    "anchor", "anchors", "[0-9a-fA-F]{4,64}", "the SHA-256 of a key, or its first 4 hexadecimal digits at least"
)
