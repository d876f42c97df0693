"""The list of engines, the one trusted most first, and why each missing one is missing."""

from collections.abc import Mapping
from importlib import import_module

from hsm.engine import EngineUnavailable, PostQuantumEngine
from hsm.provider import EngineFact

from .openssl import OpenSslEngine


def discover(environ: Mapping[str, str]) -> tuple[list[PostQuantumEngine], list[EngineFact]]:
    """(engines that load, facts about those that do not). `environ` is searched for OQS_INSTALL_PATH."""
    engines: list[PostQuantumEngine] = [OpenSslEngine()]
    unavailable: list[EngineFact] = []
    try:
        engines.append(import_module(".pycryptodome", __package__).PyCryptodomeEngine())
    except EngineUnavailable as error:
        unavailable.append(_missing("pycryptodome", error))
    try:
        engines.append(import_module(".liboqs", __package__).LibOqsEngine(environ))
    except EngineUnavailable as error:
        unavailable.append(_missing("liboqs", error))
    return engines, unavailable


def _missing(name: str, error: EngineUnavailable) -> EngineFact:
    return EngineFact(name=name, version="", signs_per_second=None, refused_because=str(error))
