"""What every test may rely on: the paths of the project, and the marker on the tests that start an engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

import adaptive_agents  # noqa: F401 (before NumPy: it has NumPy use one thread, which matters on a busy machine)

# How long an example takes says more about what else the machine does than about our code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items):
    """A test below `engine/` starts a Godot; nobody has to remember the marker."""
    for item in items:
        if item.path.is_relative_to(ROOT / "tests" / "engine"):
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the project."""
    return ROOT
