"""Envelopes: sealed by anybody to a published key, opened here by those who may. A key's epochs are its versions."""
