"""`hallmark log`: the transparency log, seen by an auditor who trusts its public files and nobody."""

from kms.cli.log.group import log

__all__ = ["log"]
