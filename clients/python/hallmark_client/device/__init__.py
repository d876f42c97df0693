"""What a device runs: a vault for models and credentials, roots of trust, updates."""
