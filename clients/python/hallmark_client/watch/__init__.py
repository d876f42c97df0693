"""What was granted and taken back, followed: see `core`."""
