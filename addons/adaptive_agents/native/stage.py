"""Stages the Python that a game takes along: `python stage.py --out FOLDER`.

The folder holds everything that runs beside the engine and the addon's library: libpython, the modules of
the standard library that are in use (stdlib.txt), numpy, onnxruntime, msgpack, the bridge, our own package
and `python_home.cfg`, by which the library finds and checks them. All is from the Python that runs this.

A folder is whole or not there: it is written beside its place and then renamed. Nothing is done where nothing
changed since.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import compiled
import elf
import installed
import licences
import platforms
import runtime_files
import wheels
from build import addon_version
from runtime_files import ADDON, NATIVE, Item, StageError

HOME_FILE = "python_home.cfg"
THIRD_PARTY = "THIRD_PARTY.md"
HOST = platforms.LINUX.name
SPARE_BYTES = 20_000_000
"""Left free on the disk beside what is written."""


@dataclass(frozen=True)
class Staged:
    """A runtime that is ready."""

    folder: Path
    sizes: dict[str, int]
    """Bytes of every file, by its path in the folder."""
    fresh: bool
    """Whether it was made just now."""

    @property
    def bytes(self) -> int:
        """Of the whole folder."""
        return sum(self.sizes.values())


def stage(
    target: Path,
    platform: str = HOST,
    addon: Path = ADDON,
    bridge: Path | None = None,
    archive: Path | None = None,
) -> Staged:
    """Makes the runtime in the folder `target`, or finds it ready.

    Args:
        target: the folder `adaptive_agents.<platform>`.
        platform: as in Godot's feature tags.
        addon: whose Python package goes along.
        bridge: the bridge to take; by default the one that build.py made for this machine. Cross-compiled for
            another platform, which also needs an archive.
        archive: the interpreter of another platform.

    Raises:
        StageError: a part is missing or made for another Python, or there is no room; the message says
            what to do.
    """
    if platform == HOST:
        return _stage(target, runtime_files.collect(addon, bridge), runtime_files.libpython().name, addon)
    if bridge is None:
        raise StageError(
            f"a runtime for {platform} cannot be staged from this machine's Python ({HOST}): unpack the "
            f"addon's zip of that platform (make addon PLATFORM={platform.replace('.', '-')}) into the "
            "project, or export without a runtime, with agents that stay idle"
        )
    chosen = platforms.find(platform)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".parts-") as parts:
        items = wheels.collect(chosen, archive, Path(parts), addon, bridge)
        staged = _stage(target, items, wheels.libpython(chosen), addon)
    wheels.check_complete(chosen, list(staged.sizes))
    return staged


def _stage(target: Path, items: Sequence[Item], libpython: str, addon: Path) -> Staged:
    stamp = _stamp(items)
    stamp_file = target.with_name(target.name + ".stamp")
    if stamp_file.is_file() and stamp_file.read_text(encoding="utf-8") == stamp and (sizes := _whole(target)):
        return Staged(target, sizes, fresh=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    _check_room(items, target.parent)
    damage = installed.find_damage(item.source for item in items)
    if damage:
        raise StageError(damage)
    temporary = Path(tempfile.mkdtemp(prefix=".staging-", dir=target.parent))
    try:
        fresh = temporary / "runtime"
        _write(items, fresh, libpython, addon)
        sizes = _whole(fresh)
        stamp_file.unlink(missing_ok=True)
        if target.exists():
            target.rename(temporary / "old")
        fresh.rename(target)
        stamp_file.write_text(stamp, encoding="utf-8")
    except (LookupError, compiled.CompileError) as error:
        raise StageError(str(error)) from error
    except OSError as error:
        raise StageError(
            f"the runtime cannot be written to {target} ({error}): make room there or name another folder"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Staged(target, sizes, fresh=True)


def _stamp(items: Sequence[Item]) -> str:
    """What a runtime depends on: its sources by size and time, and the scripts that stage them."""
    digest = hashlib.sha256(f"{addon_version()} {sys.version}".encode())
    for path in sorted([*NATIVE.glob("*.py"), *NATIVE.glob("*.txt")]):
        digest.update(path.read_bytes())
    for item in items:
        status = item.source.stat()
        digest.update(f"{item.target} {item.source} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _check_room(items: Sequence[Item], folder: Path) -> None:
    wanted = sum(item.source.stat().st_size for item in items) + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise StageError(
            f"there is no room for the runtime: it takes up to {wanted / 1e6:.0f} MB while it is made, and "
            f"{folder} has {free / 1e6:.0f} MB free: make room, or put the project on another disk"
        )


def _write(items: Sequence[Item], folder: Path, libpython: str, addon: Path) -> None:
    """Writes every file; `python_home.cfg` last, because its last line says that all is there."""
    folder.mkdir()
    loose = folder.with_name("modules")
    jobs = []
    for item in items:
        target = (loose if item.zipped else folder) / item.target
        target.parent.mkdir(parents=True, exist_ok=True)
        if item.compiled:
            jobs.append(compiled.Job(str(item.source), item.shown_as, str(target)))
        else:
            data = item.source.read_bytes()
            for path in (sys.base_prefix, str(addon)):
                data = elf.without_path(data, path)
            target.write_bytes(elf.trimmed(data))
            target.chmod(0o755 if elf.is_elf(data) else 0o644)
    compiled.compile_all(jobs)
    runtime_files.pack(loose, folder / runtime_files.STANDARD_ZIP)
    (folder / THIRD_PARTY).write_text(licences.third_party(), encoding="utf-8", newline="\n")
    (folder / HOME_FILE).write_text(_home(folder, libpython), encoding="utf-8", newline="\n")
    for path in (folder / THIRD_PARTY, folder / HOME_FILE):
        path.chmod(0o644)


def _home(folder: Path, libpython: str) -> str:
    lines = [
        "# Written by native/stage.py: the Python of this game. Files are checked by their sizes.",
        f"version={addon_version()}",
        f"python={runtime_files.VERSION}",
        f"libpython={libpython}",
        "home=./",
        *(f"path={path}" for path in (runtime_files.STANDARD_ZIP, runtime_files.DYNLOAD, runtime_files.SITE)),
        *(f"file={path.stat().st_size} {path.relative_to(folder).as_posix()}" for path in _files(folder)),
        "complete=yes",
    ]
    return "\n".join(lines) + "\n"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _whole(folder: Path) -> dict[str, int]:
    """The sizes of a runtime's files; nothing where one differs from what `python_home.cfg` says."""
    home = folder / HOME_FILE
    if not home.is_file():
        return {}
    lines = home.read_text(encoding="utf-8").splitlines()
    listed = [line.removeprefix("file=").split(" ", 1) for line in lines if line.startswith("file=")]
    wanted = {name: int(size) for size, name in listed}
    found = {path.relative_to(folder).as_posix(): path.stat().st_size for path in _files(folder)}
    own = found.pop(HOME_FILE)
    return {**wanted, HOME_FILE: own} if lines[-1] == "complete=yes" and wanted == found else {}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 with one message where the runtime cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument(
        "--out", type=Path, required=True, help="the folder to make, adaptive_agents.<platform>"
    )
    parser.add_argument("--platform", default=HOST, help=f"as in Godot's feature tags; {HOST} by default")
    given = parser.parse_args(arguments)
    try:
        staged = stage(Path(os.path.abspath(given.out)), given.platform)  # noqa: PTH100 - keeps links
    except StageError as error:
        print(f"stage.py: {error}", file=sys.stderr)
        return 1
    what = "made" if staged.fresh else "up to date"
    print(f"{staged.folder}: {what}, {staged.bytes / 1e6:.1f} MB in {len(staged.sizes)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
