"""Packs the addon as a game developer installs it: `python pack.py --out FOLDER`.

The archive is unpacked over a project and needs nothing else: the plugin, the native library for every
platform, and the game's Python for one. What only builds those stays out: this folder, and our
Python sources, which are in the runtime as bytecode. The same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cross
import platforms
import stage
from build import BuildError, addon_version
from platforms import Platform
from runtime_files import ADDON, StageError, zip_entry

PREFIX = "addons/adaptive_agents"
LICENCE = ADDON.parents[1] / "LICENSE"
_FOLDERS = ("editor", "icons")  # the help of doc_classes/ is inside the library
_FILES = ("adaptive_agents.gdextension", "plugin.cfg", "plugin.gd")
_SUFFIXES = (".cfg", ".gd", ".gdextension", ".svg", ".tscn")
_LEVEL = 9


def pack(folder: Path, platform: str = stage.HOST, archive: Path | None = None) -> Path:
    """Writes `adaptive_agents-<version>-<platform>.zip` into the folder and returns its path.

    `archive` is the interpreter, where the platform is not this one.

    Raises:
        StageError: a part is missing; the message says which, and how to make it.
    """
    target = folder / f"adaptive_agents-{addon_version()}-{platform.replace('.', '-')}.zip"
    folder.mkdir(parents=True, exist_ok=True)
    chosen, native = _find(platform), folder / "native"
    try:
        cross.compile_all(native)
    except BuildError as error:
        raise StageError(str(error)) from error
    bridge = native / platform / chosen.module
    runtime = stage.stage(folder / "runtime" / chosen.runtime, platform, bridge=bridge, archive=archive)
    contents = dict(sorted([*_addon(native), *_runtime(runtime)]))
    with tempfile.TemporaryDirectory(dir=folder, prefix=".packing-") as temporary:
        written = Path(temporary) / target.name
        with zipfile.ZipFile(written, "w") as packed:
            for name, source in contents.items():
                entry = zip_entry(name, source.stat().st_mode & 0o755)
                packed.writestr(entry, source.read_bytes(), zipfile.ZIP_DEFLATED, _LEVEL)
        written.replace(target)
    return target


def _find(platform: str) -> Platform:
    try:
        return platforms.find(platform)
    except LookupError as error:
        raise StageError(str(error)) from error


def _addon(native: Path) -> Iterator[tuple[str, Path]]:
    """The files of the plugin, and the library of every platform: a project must open on all of them."""
    sources = [ADDON / name for name in _FILES]
    sources += [
        path for folder in _FOLDERS for path in (ADDON / folder).rglob("*") if path.suffix in _SUFFIXES
    ]
    for source in sources:
        yield f"{PREFIX}/{source.relative_to(ADDON).as_posix()}", source
    for each in platforms.PLATFORMS:
        yield f"{PREFIX}/bin/{each.library}", native / each.library
    if LICENCE.is_file():
        yield f"{PREFIX}/LICENSE", LICENCE


def _runtime(runtime: stage.Staged) -> Iterator[tuple[str, Path]]:
    for name in runtime.sizes:
        yield f"{PREFIX}/bin/{runtime.folder.name}/{name}", runtime.folder / name


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 with one message where the archive cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write the archive to")
    parser.add_argument("--platform", default=stage.HOST, help=f"as linux-x86_64; {stage.HOST} by default")
    parser.add_argument("--python-archive", type=Path, help="the interpreter of another platform: wheels.py")
    given = parser.parse_args(arguments)
    archive = given.python_archive.absolute() if given.python_archive else None
    try:
        path = pack(Path(os.path.abspath(given.out)), given.platform.replace("-", ".", 1), archive)  # noqa: PTH100
    except StageError as error:
        print(f"pack.py: {error}", file=sys.stderr)
        return 1
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
