"""What every suite shares."""

from hypothesis import settings

# --vectors and its fixture; the running service; a PostgreSQL server; an S3 server
pytest_plugins = ["hallmark_test_options", "support.service", "support.postgresql", "support.object_store"]

settings.register_profile("house", deadline=None)  # the machine may be busy: examples are bounded, their time is not
settings.load_profile("house")
