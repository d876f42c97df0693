"""Trust bundles: every public key with its validity, signed and logged; and the clock work that keeps keys moving."""
