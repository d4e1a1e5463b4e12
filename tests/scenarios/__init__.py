"""What happens to a running daemon, told once: briefly for the suite, at length for `make stress`."""

import pkgutil

import pytest

# What a scenario asserts is to be explained as what a test asserts.
pytest.register_assert_rewrite(*(module.name for module in pkgutil.iter_modules(__path__, f"{__name__}.")))
