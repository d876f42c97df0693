"""Releases of models and the keys of what is in them, sealed for one device at a time."""
