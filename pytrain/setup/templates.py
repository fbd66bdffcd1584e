"""Where a game's export takes its template from: the engine program that an exported game consists of.

Godot looks for templates in the user's data folder, under the version of the editor. Debian's two are fetched
with our own engine (`engine.py`), each kept twice:

- *patched*, for games that run on this machine: their libraries are those unpacked beside our engine;
- *unpatched*, as Debian made it, for games that leave it: dynamically linked, they need Debian's libraries.

A studio exports with Godot's own templates (Editor > Manage Export Templates), which need neither.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pytrain.setup import debian, engine
from pytrain.setup.engine import Engine

_NAMES = ("linux_release.x86_64", "linux_debug.x86_64")


@dataclass(frozen=True)
class Templates:
    """The programs that `--export-release` and `--export-debug` copy, and how they are linked."""

    release: Path
    debug: Path
    libraries: Path | None
    """Folder of the libraries that an unpatched template of Debian's needs; None for those of the user."""

    def install(self, data_home: Path, version: str) -> None:
        """Links both to where an editor of that version looks, below an `XDG_DATA_HOME` of the caller's."""
        folder = data_home / "godot" / "export_templates" / version
        folder.mkdir(parents=True, exist_ok=True)
        for name, template in zip(_NAMES, (self.release, self.debug), strict=True):
            link = folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(template)


def find_templates(of: Engine, *, leaves_machine: bool = False) -> Templates | None:
    """The templates to export with, or None: then `where_to_get` says what to do.

    With an engine of the user's own those that the user installed for it; with ours Debian's, unpatched where
    the game is to leave this machine.
    """
    root = engine.own_templates() if of.path == engine.ENGINE_FOLDER / "godot" else None
    if root is not None:
        folder = root / engine.UNPATCHED if leaves_machine else root / "usr" / "bin"
        release, debug = (folder / name for name in engine.TEMPLATES)
        return Templates(release, debug, debian.find_libraries(root))
    installed = installed_folder(of)
    release, debug = (installed / name for name in _NAMES)
    return Templates(release, debug, None) if release.is_file() and debug.is_file() else None


def template_version(of: Engine) -> str:
    """The name of an editor's folder of templates: '4.6.3.stable' for '4.6.3.stable.official.89cea1439'."""
    named = re.match(r"\d+(?:\.\d+)+\.[a-z]+\d*", of.version)
    return named.group() if named else of.version


def installed_folder(of: Engine) -> Path:
    """Where that editor looks for templates when nothing else is said."""
    data_home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return data_home / "godot" / "export_templates" / template_version(of)


def where_to_get(of: Engine) -> str:
    """What a user does who has none."""
    return (
        f"no export templates of Godot {template_version(of)} in '{installed_folder(of)}': install them from "
        "the editor (Editor > Manage Export Templates)"
    )
