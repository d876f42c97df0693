"""Builds the protobuf modules into gen/ before a wheel or an editable install is made."""

import sys
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProtobufBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict) -> None:  # noqa: ARG002
        sys.path.insert(0, str(Path(self.root) / "scripts"))
        from generate_protos import generate

        generate(Path(self.root))
