"""Packs the addon as a game developer installs it: `python pack.py --out FOLDER`.

The archive is unpacked over a project and needs nothing else: the plugin, the native library for every
platform that was built, and the game's Python for one. What only builds those stays out: this folder, and our
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

import stage
from build import addon_version
from runtime_files import ADDON, StageError, zip_entry

PREFIX = "addons/adaptive_agents"
LICENCE = ADDON.parents[1] / "LICENSE"
_FOLDERS = ("doc_classes", "editor", "icons")
_FILES = ("adaptive_agents.gdextension", "plugin.cfg", "plugin.gd")
_SUFFIXES = (".cfg", ".gd", ".gdextension", ".svg", ".tscn", ".xml")
_LEVEL = 9


def pack(folder: Path, platform: str = stage.HOST) -> Path:
    """Writes `adaptive_agents-<version>-<platform>.zip` into the folder and returns its path.

    Raises:
        StageError: a part is missing; the message says which, and how to make it.
    """
    target = folder / f"adaptive_agents-{addon_version()}-{platform.replace('.', '-')}.zip"
    folder.mkdir(parents=True, exist_ok=True)
    runtime = stage.stage(folder / "runtime" / f"adaptive_agents.{platform}", platform)
    contents = dict(sorted([*_addon(platform), *_runtime(runtime)]))
    with tempfile.TemporaryDirectory(dir=folder, prefix=".packing-") as temporary:
        written = Path(temporary) / target.name
        with zipfile.ZipFile(written, "w") as archive:
            for name, source in contents.items():
                entry = zip_entry(name, source.stat().st_mode & 0o755)
                archive.writestr(entry, source.read_bytes(), zipfile.ZIP_DEFLATED, _LEVEL)
        written.replace(target)
    return target


def _addon(platform: str) -> Iterator[tuple[str, Path]]:
    """The files of the plugin, and the library of every platform: a project must open on all of them."""
    sources = [ADDON / name for name in _FILES]
    sources += [
        path for folder in _FOLDERS for path in (ADDON / folder).rglob("*") if path.suffix in _SUFFIXES
    ]
    libraries = list((ADDON / "bin").glob("libadaptive_agents.*"))
    if not any(path.name.startswith(f"libadaptive_agents.{platform}.") for path in libraries):
        raise StageError(
            f"there is no library for {platform} in {ADDON / 'bin'}: run native/build.py, then this again"
        )
    for source in [*sources, *libraries]:
        yield f"{PREFIX}/{source.relative_to(ADDON).as_posix()}", source
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
    given = parser.parse_args(arguments)
    try:
        path = pack(Path(os.path.abspath(given.out)), given.platform.replace("-", ".", 1))  # noqa: PTH100
    except StageError as error:
        print(f"pack.py: {error}", file=sys.stderr)
        return 1
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
