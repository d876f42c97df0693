"""What the calls return: frozen dataclasses with UTC datetimes, enums and bytes. All have `to_dict()` for JSON."""
