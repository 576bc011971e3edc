"""For all tests: hypothesis keeps no deadline, since the machines that run this are shared."""

from hypothesis import settings

settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
