"""The classes a game developer sees, one file each, and the table of contents of what the engine gets."""

from __future__ import annotations

from .adaptive_agent import AdaptiveAgent

CLASSES = (AdaptiveAgent,)
"""In the order of registration: a class comes after those it names."""


def begin() -> None:
    """Called when the classes are registered."""


def begin_editor() -> None:
    """Called when the editor is there."""


def end() -> None:
    """Called before the classes go."""
