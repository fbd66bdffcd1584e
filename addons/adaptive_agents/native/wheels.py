"""The Python of another platform than this machine's: from an archive that the user names, and from wheels.

The interpreter is one of python.org's, of the same minor version as this Python: for Windows its "embeddable
package"; for macOS, where python.org has none, an archive that holds libpython3.x.dylib and lib/python3.x/,
as relocatable builds do. numpy, onnxruntime, msgpack and cffi come as wheels from the package registry, of
the very versions that are installed here. Nobody has run the result yet: README's table of platforms says so.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import runtime_files
from licences import DISTRIBUTIONS
from platforms import MACOS, WINDOWS, Platform
from runtime_files import DYNLOAD, SITE, STANDARD_ZIP, VERSION, Item, StageError

_DIGITS = VERSION.replace(".", "")
_LIBPYTHON = {WINDOWS: f"python{_DIGITS}.dll", MACOS: f"libpython{VERSION}.dylib"}
_EXTENSIONS = {WINDOWS: ".pyd", MACOS: ".so"}
_LIBRARIES = {WINDOWS: (".pyd", ".dll"), MACOS: (".so", ".dylib")}
_OF_ANY_PYTHON = re.compile(r"(?:python|libpython|Python)(\d)\.?(\d+)\.(?:dll|dylib)$")
_NOT_NEEDED = {
    "_ctypes_test",
    "_hashlib",  # needs OpenSSL; the game hashes with the interpreter's own SHA-256, as on Linux
    "_msi",
    "_sqlite3",
    "_ssl",
    "_tkinter",
    "winsound",
}


def collect(platform: Platform, archive: Path | None, folder: Path, addon: Path, bridge: Path) -> list[Item]:
    """Every file of the platform's runtime; what had to be unpacked lies in `folder` from now on.

    Raises:
        StageError: no archive is given, it is of another Python or platform, or a wheel cannot be had.
    """
    if archive is None:
        raise StageError(
            f"a runtime for {platform.name} needs an interpreter that cannot be fetched: name python.org's "
            f"archive of Python {VERSION} with PYTHON_ARCHIVE=… (Windows: the embeddable package, 64 bit)"
        )
    python, packages = folder / "python", folder / "packages"
    unpack(archive, python)
    for wheel in fetch(platform, folder / "wheels"):
        unpack(wheel, packages)
    items = [*_interpreter(platform, archive, python), Item(f"{SITE}/{bridge.name}", bridge)]
    backend = sorted(packages.glob(f"_cffi_backend*{_EXTENSIONS[platform]}"))
    items += [Item(f"{SITE}/{path.name}", path) for path in backend[:1]]
    for name in runtime_files.PACKAGES:
        items += runtime_files.package_items(packages / name, _LIBRARIES[platform])
    items += runtime_files.own_items(addon)
    return sorted(items, key=lambda item: item.target)


def libpython(platform: Platform) -> str:
    """The file name that `python_home.cfg` gives."""
    return _LIBPYTHON[platform]


def fetch(platform: Platform, folder: Path) -> list[Path]:
    """Downloads the platform's wheels, of the versions that are installed here.

    Raises:
        StageError: one cannot be had; the message has pip's.
    """
    versions = [f"{name}=={importlib.metadata.version(name)}" for name in DISTRIBUTIONS]
    tags = [word for tag in platform.wheels for word in ("--platform", tag)]
    tags += [word for abi in (f"cp{_DIGITS}", "abi3", "none") for word in ("--abi", abi)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", VERSION, *tags]
    result = subprocess.run(
        [*command, "--dest", str(folder), *versions], capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise StageError(f"no wheels of {', '.join(versions)} for {platform.name}: {result.stderr.strip()}")
    return sorted(folder.glob("*.whl"))


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a zip, a wheel or a tar into the folder.

    Raises:
        StageError: it is not there, no archive, or would write elsewhere.
    """
    if not archive.is_file():
        raise StageError(f"there is no archive '{archive}': name one with PYTHON_ARCHIVE=…")
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(folder)  # noqa: S202 - zipfile keeps to the folder
        else:
            with tarfile.open(archive) as packed:
                packed.extractall(folder, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, OSError) as error:
        raise StageError(
            f"'{archive}' cannot be unpacked ({error}): is it a zip or a tar archive?"
        ) from error


def _interpreter(platform: Platform, archive: Path, folder: Path) -> Iterator[Item]:
    wanted = libpython(platform)
    found = sorted(path for path in folder.rglob(wanted) if path.is_file())
    if not found:
        raise StageError(_wrong_archive(platform, archive, folder))
    yield Item(wanted, found[0])
    if platform == WINDOWS:
        yield from _of_windows(archive, found[0].parent)
    else:
        yield from _of_macos(archive, folder)


def _wrong_archive(platform: Platform, archive: Path, folder: Path) -> str:
    others = [match for path in folder.rglob("*") if (match := _OF_ANY_PYTHON.fullmatch(path.name))]
    numbers = sorted({f"{match[1]}.{match[2]}" for match in others})
    holds = f"Python {', '.join(numbers)}" if numbers else "none"
    return (
        f"'{archive}' holds {holds}, and this addon is built for Python {VERSION} of {platform.name}: "
        f"it must contain {libpython(platform)}"
    )


def _of_windows(archive: Path, folder: Path) -> Iterator[Item]:
    """The embeddable package: the standard library is in a zip, compiled, and all libraries lie beside."""
    # onnxruntime needs msvcp140.dll of Microsoft's C++ runtime; python.org's archive lacks it and may get it.
    for pattern in ("python3.dll", "vcruntime140*.dll", "msvcp140*.dll"):
        yield from (Item(path.name, path) for path in sorted(folder.glob(pattern)))
    yield from _extension_modules(folder, WINDOWS)
    standard = folder / f"python{_DIGITS}.zip"
    if not standard.is_file():
        raise StageError(
            f"'{archive}' has no {STANDARD_ZIP}, Python's standard library: it is not the embeddable package"
        )
    unpack(standard, folder / "standard")
    # All of it, not only what stdlib.txt names: that list was measured on Linux.
    for path in sorted((folder / "standard").rglob("*.pyc")):
        yield Item(path.relative_to(folder / "standard").as_posix(), path, zipped=True)


def _of_macos(archive: Path, folder: Path) -> Iterator[Item]:
    found = sorted(folder.rglob(f"python{VERSION}/os.py"))
    if not found:
        raise StageError(f"'{archive}' has no lib/python{VERSION}/os.py: it lacks Python's standard library")
    standard = found[0].parent
    yield from _extension_modules(standard / DYNLOAD, MACOS)
    for name in runtime_files.standard_names():
        stem = name.replace(".", "/")
        for source in (standard / f"{stem}.py", standard / stem / "__init__.py"):
            if source.is_file():
                shown_as = source.relative_to(standard).as_posix()
                yield Item(f"{shown_as}c", source, shown_as, zipped=True)


def _extension_modules(folder: Path, platform: Platform) -> Iterator[Item]:
    for path in sorted(folder.glob(f"*{_EXTENSIONS[platform]}")):
        if path.name.split(".")[0] not in _NOT_NEEDED:
            yield Item(f"{DYNLOAD}/{path.name}", path)
    if platform == WINDOWS:
        yield from (Item(f"{DYNLOAD}/{path.name}", path) for path in sorted(folder.glob("libffi*.dll")))


def check_complete(platform: Platform, names: Sequence[str]) -> None:
    """Raises StageError where a part without which no game starts is not among a runtime's files."""
    end = re.escape(_EXTENSIONS[platform])
    wanted = {
        libpython(platform): re.escape(libpython(platform)),
        "the standard library": re.escape(STANDARD_ZIP),
        "numpy": rf"{SITE}/numpy/_core/_multiarray_umath\S*{end}",
        "onnxruntime": rf"{SITE}/onnxruntime/capi/onnxruntime_pybind11_state\S*{end}",
        "msgpack": rf"{SITE}/msgpack/__init__\.pyc",
        "cffi's backend": rf"{SITE}/_cffi_backend\S*{end}",
        "the bridge": rf"{SITE}/{re.escape(platform.module)}",
    }
    if platform == WINDOWS:
        wanted["python3.dll, which the bridge needs,"] = r"python3\.dll"
    missing = [
        what for what, pattern in wanted.items() if not any(re.fullmatch(pattern, name) for name in names)
    ]
    if missing:
        raise StageError(f"the runtime for {platform.name} would lack {', '.join(missing)}")
