"""Compiles the addon's native part to be given away: `python cross.py --out FOLDER [--platform NAME]`.

`ziglang` is the compiler: it brings the headers and libraries of Windows, macOS and old versions of glibc
along, and its output depends on the sources alone. So two builds have the same bytes, on any machine, and the
Linux library starts wherever glibc 2.28 is. A developer's own build is build.py's.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import build
from build import MODULE, NATIVE, BuildError
from platforms import LINUX, MACOS, PLATFORMS, WINDOWS, Platform, find

COMPILER = [sys.executable, "-m", "ziglang", "cc"]
CACHE = Path(sys.prefix) / "zig-cache"
"""What zig keeps, its C libraries above all, in the environment that it belongs to. Environments that share a
cache, as they would by default, make each other's libraries anew each time, for a minute and a half."""
_FAT_ALIGNMENT = 14  # a slice starts on a page of 16 KiB
_PYTHON_NAME = re.compile(r"\b_?Py[A-Z_]\w+")


@contextmanager
def generated() -> Iterator[Path]:
    """A folder with what is generated: the bridge's source, the table of classes, headers for Python.

    Raises:
        BuildError: a package is missing, or something does not compile.
    """
    build.check_packages()
    if importlib.util.find_spec("ziglang") is None:
        raise BuildError(f"{sys.executable} has no ziglang: {sys.executable} -m pip install ziglang")
    with tempfile.TemporaryDirectory(prefix="adaptive-agents-") as temporary:
        folder = Path(temporary)
        build.bridge_source(folder, build.declarations(COMPILER))
        # Of this machine's configuration nothing is used, also for Linux: the bytes must not depend on it.
        shutil.copytree(sysconfig.get_path("include"), folder / "python")
        shutil.copyfile(NATIVE / "cross_pyconfig.h", folder / "python" / "pyconfig.h")
        _bridge(LINUX, folder, folder / LINUX.module)
        build.class_table(folder)
        yield folder


def compile_library(platform: Platform, folder: Path, target: Path) -> None:
    """The library that the engine loads, from what `generated` made in `folder`."""
    sources = [NATIVE / name for name in build.LIBRARY_SOURCES]
    _compile(platform, folder, target, sources, [f'-DADDON_VERSION="{build.addon_version()}"'])


def compile_bridge(platform: Platform, folder: Path, target: Path) -> None:
    """The module by which Python and the engine call each other, from what `generated` made in `folder`."""
    _bridge(platform, folder, target)


def compile_all(target: Path, platforms: Sequence[Platform] = PLATFORMS) -> list[Path]:
    """Libraries into the folder `target`, and each platform's bridge into a folder of its name below.

    Raises:
        BuildError: as `generated`.
    """
    written = []
    with generated() as folder:
        for platform in platforms:
            below = target / platform.name
            below.mkdir(parents=True, exist_ok=True)
            compile_library(platform, folder, target / platform.library)
            compile_bridge(platform, folder, below / platform.module)
            written += [target / platform.library, below / platform.module]
    return written


def _bridge(platform: Platform, folder: Path, target: Path) -> None:
    options: list[str] = []
    if platform == MACOS:
        options = [
            "-undefined",
            "dynamic_lookup",
        ]  # Python is in the process, where the library has opened it
    elif platform == WINDOWS:
        options = [_import_library(folder)]
    _compile(platform, folder, target, [folder / f"{MODULE}.c"], options)


def _import_library(folder: Path) -> str:
    """What stands for python3.dll while linking: a library with all names that Python's headers mention."""
    source = (folder / f"{MODULE}.c", "-E")
    text = _run([*COMPILER, "-target", WINDOWS.targets[0], *_includes(folder), *map(str, source)])
    names = sorted(set(_PYTHON_NAME.findall(text)))
    definition, library = folder / "python3.def", folder / "python3.lib"
    definition.write_text("LIBRARY python3.dll\nEXPORTS\n" + "\n".join(names) + "\n", encoding="ascii")
    _run([*COMPILER[:-1], "dlltool", "-m", "i386:x86-64", "-d", str(definition), "-l", str(library)])
    return str(library)


def _includes(folder: Path) -> list[str]:
    return [f"-I{folder}", f"-I{NATIVE}", f"-I{folder / 'python'}"]


def _compile(platform: Platform, folder: Path, target: Path, sources: list[Path], options: list[str]) -> None:
    slices = []
    for number, architecture in enumerate(platform.targets):
        # The linker writes other files beside it, and on macOS its own path into it.
        output = folder / f"slice-{number}" / target.name
        output.parent.mkdir(exist_ok=True)
        command = [*COMPILER, "-target", architecture, "-O2", "-shared", "-s", "-fvisibility=hidden"]
        command += ["-fno-ident", *options, *_includes(folder)]
        command += [f"-ffile-prefix-map={place}=." for place in (folder, NATIVE)]
        command += [] if platform == WINDOWS else ["-fPIC"]
        command += ["-Wl,--build-id=none", "-ldl", "-lm", "-lpthread"] if platform == LINUX else []
        command += [f"-Wl,-install_name,@rpath/{target.name}"] if platform == MACOS else []
        command += ["-o", str(output), *map(str, sources)]
        _run(command)
        slices.append(output.read_bytes())
    content = slices[0] if len(slices) == 1 else join_slices(slices)
    if not target.is_file() or target.read_bytes() != content:  # what depends on it looks at its time
        target.write_bytes(content)
        target.chmod(0o755)


def join_slices(slices: list[bytes]) -> bytes:
    """A universal file of macOS from one file per architecture: a table of where each lies, then each."""
    size = 1 << _FAT_ALIGNMENT
    header = struct.pack(">II", 0xCAFEBABE, len(slices))
    body, start = b"", size
    for content in slices:
        magic, kind, subkind = struct.unpack_from("<III", content)
        if magic != 0xFEEDFACF:
            raise BuildError(f"a slice of a universal file begins with {magic:#x}, not as a Mach-O file")
        header += struct.pack(">IIIII", kind, subkind, start, len(content), _FAT_ALIGNMENT)
        padded = content + bytes(-len(content) % size)
        body, start = body + padded, start + len(padded)
    return header.ljust(size, b"\0") + body


def _run(command: list[str]) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in ("CFLAGS", "CPATH", "LDFLAGS")}
    kept.setdefault("ZIG_GLOBAL_CACHE_DIR", str(CACHE))
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=kept)
    if result.returncode:
        raise BuildError(f"compiling failed: {' '.join(command)}\n{result.stderr}")
    return result.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 with one message where something cannot be compiled."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--platform", help="one platform, such as windows-x86_64; all by default")
    given = parser.parse_args(arguments)
    try:
        platforms = [find(given.platform)] if given.platform else PLATFORMS
        for path in compile_all(given.out.absolute(), platforms):
            print(f"{path}: {path.stat().st_size:,} bytes")
    except (BuildError, LookupError) as error:
        print(f"cross.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
