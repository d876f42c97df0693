"""What all CycloneDX documents of `hallmark audit` share: who made them, and how they are written (ECMA-424, 1.6)."""

from datetime import UTC, datetime
from importlib.metadata import version
from uuid import uuid4

from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6


def new_bom(about: Component) -> Bom:
    """An empty document about something, made by this command, now."""
    tool = Component(name="hallmark audit", version=version("hallmark"), type=ComponentType.APPLICATION)
    metadata = BomMetaData(component=about, timestamp=datetime.now(UTC), tools=None)
    metadata.tools.components.add(tool)
    return Bom(metadata=metadata, serial_number=uuid4())


def written(bom: Bom) -> bytes:
    """CycloneDX 1.6 as JSON, indented."""
    return JsonV1Dot6(bom).output_as_string(indent=2).encode() + b"\n"
