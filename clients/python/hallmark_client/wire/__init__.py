"""From protobuf messages to results, and the few things that go the other way. Wire types stop here."""
