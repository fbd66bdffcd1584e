"""Whether the packages on this machine are as pip installed them: a game must not carry a damaged one."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from licences import DISTRIBUTIONS


def find_damage(sources: Iterable[Path]) -> str:
    """What is wrong with the first of these files that is not as it was installed, or an empty string."""
    wanted = {path: (size, name) for name in DISTRIBUTIONS for path, size in recorded(name)}
    for source in sources:
        size, name = wanted.get(os.path.realpath(source), (None, ""))
        found = source.stat().st_size
        if size not in (None, found):
            version = importlib.metadata.version(name)
            return (
                f"'{source}' has {found} bytes, and {name} {version} installed it with {size}: "
                f"pip install --force-reinstall {name}"
            )
    for path, (_, name) in wanted.items():
        if ".so" in Path(path).suffixes and not Path(path).exists():
            return f"'{path}' of {name} is gone: pip install --force-reinstall {name}"
    return ""


def recorded(name: str) -> Iterator[tuple[str, int]]:
    """The files that pip wrote, with their sizes; none where the system's packages brought it."""
    for file in importlib.metadata.distribution(name).files or ():
        if file.size is not None:
            yield os.path.realpath(str(file.locate())), file.size
