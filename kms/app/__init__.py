"""The composition root: Application, and what it takes to start its parts."""

from kms.app.application import Application

__all__ = ["Application"]
