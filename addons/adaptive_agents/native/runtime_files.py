"""Which files a game's Python is made of, and where each is found on this machine."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from build import BuildError, find_libpython

NATIVE = Path(__file__).resolve().parent
ADDON = NATIVE.parent
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
STANDARD_ZIP = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
DYNLOAD = "lib-dynload"
SITE = "site"
BRIDGE = "_adaptive_agents"
PACKAGES = ("numpy", "onnxruntime", "msgpack")
"""Copied by folders; cffi needs only the one library `_cffi_backend`."""

_LEFT_OUT = {
    # Tests, tools of developers, and what no part of the addon uses. A part that is missed is found by
    # the test that plays with a staged runtime.
    "numpy": (
        *("conftest", "distutils", "f2py", "testing", "tests", "typing/tests", "_pyinstaller", "_configtool"),
        *("doc", "fft", "polynomial", "_core/include", "_core/lib", "random/lib", "random/include"),
        *("rec", "char", "strings", "core", "ctypeslib", "_core/_multiarray_tests", "_core/_umath_tests"),
        *("_core/_simd", "_core/_operand_flag_tests", "_core/_rational_tests", "_core/_struct_ufunc_tests"),
        *("lib/_user_array_impl", "lib/user_array", "lib/recfunctions", "random/_examples"),
    ),
    "onnxruntime": (
        *("backend", "datasets", "quantization", "tools", "transformers"),
        # A second copy of all that the Python module holds.
        *(
            *("capi/libonnxruntime", "capi/onnxruntime", "capi/onnxruntime_providers_shared"),
            "capi/convert_npz_to_onnx_adapter",
            "capi/onnxruntime_collect_build_info",
        ),
    ),
    "msgpack": (),
}


class StageError(Exception):
    """A runtime cannot be staged; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Item:
    """A file of the runtime."""

    target: str
    """Where it goes, from the runtime's folder, or from the zip's root."""
    source: Path
    shown_as: str = ""
    """For modules: the path that tracebacks show."""
    zipped: bool = False

    @property
    def compiled(self) -> bool:
        """Whether it is a module that goes along as bytecode."""
        return bool(self.shown_as)


def collect(addon: Path = ADDON, bridge: Path | None = None) -> list[Item]:
    """Every file of the runtime; its bridge is the one that build.py made, where no other is given.

    Raises:
        StageError: one is not on this machine.
    """
    items = [Item(libpython().name, libpython()), *_standard(), *_cffi_backend()]
    items += [Item(f"{SITE}/{bridge.name}", bridge)] if bridge else _bridge(addon)
    for package in PACKAGES:
        items += _package(package)
    items += own_items(addon)
    return sorted(items, key=lambda item: item.target)


def own_items(addon: Path) -> Iterator[Item]:
    """The addon's own package."""
    for source in _sources(addon / "python" / "adaptive_agents"):
        name = source.relative_to(addon / "python").as_posix()
        yield Item(f"{name}c", source, name, zipped=True)


def libpython() -> Path:
    """The shared library of the running Python."""
    try:
        return find_libpython()
    except BuildError as error:
        raise StageError(str(error)) from error


def standard_names() -> list[str]:
    """The modules that stdlib.txt takes along."""
    lines = [line.partition("#")[0].strip() for line in (NATIVE / "stdlib.txt").read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("-")]


def names_done_without() -> list[str]:
    """The modules that stdlib.txt leaves out on purpose."""
    lines = (NATIVE / "stdlib.txt").read_text().splitlines()
    return [line[1:].strip() for line in lines if line.startswith("-")]


def pack(folder: Path, target: Path) -> None:
    """Zips a folder to the same bytes wherever it lies; stored, because importing is then quickest."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.writestr(zip_entry(path.relative_to(folder).as_posix()), path.read_bytes())


def zip_entry(name: str, mode: int = 0o644) -> zipfile.ZipInfo:
    """A zip's entry that tells nothing of when and where it was written."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr = (0o100000 | mode) << 16
    entry.create_system = 3
    return entry


def _standard() -> Iterator[Item]:
    """Modules of the standard library: sources into the zip, libraries into lib-dynload."""
    folder = Path(sysconfig.get_path("stdlib"))
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    libraries = (Path(sysconfig.get_config_var("DESTSHARED") or folder / DYNLOAD), folder / DYNLOAD)
    for name in standard_names():
        stem = name.replace(".", "/")
        for source in (folder / f"{stem}.py", folder / stem / "__init__.py"):
            if source.is_file():
                shown_as = source.relative_to(folder).as_posix()
                yield Item(f"{shown_as}c", source, shown_as, zipped=True)
                break
        for place in libraries:
            if (place / f"{name}{suffix}").is_file():
                yield Item(f"{DYNLOAD}/{name}{suffix}", place / f"{name}{suffix}")
                break


def _bridge(addon: Path) -> Iterator[Item]:
    """The module by which Python and the engine call each other, made by build.py for one Python."""
    built = sorted((addon / "bin").glob(f"{BRIDGE}.*"))
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    fitting = [path for path in built if path.name in (f"{BRIDGE}{suffix}", f"{BRIDGE}.abi3.so")]
    if not fitting:
        found = ", ".join(path.name for path in built) or "nothing"
        raise StageError(
            f"the bridge between Python and the engine was not built for this Python, {VERSION} "
            f"({sys.executable}): {addon / 'bin'} holds {found}, and {BRIDGE}{suffix} is wanted. Run "
            "native/build.py with this Python, or this script with the one that build.py was run with"
        )
    yield Item(f"{SITE}/{fitting[0].name}", fitting[0])


def _cffi_backend() -> Iterator[Item]:
    spec = importlib.util.find_spec("_cffi_backend")
    if spec is None or spec.origin is None:
        raise _missing("cffi")
    yield Item(f"{SITE}/{Path(spec.origin).name}", Path(spec.origin))


def _package(name: str) -> Iterator[Item]:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise _missing(name)
    yield from package_items(Path(spec.submodule_search_locations[0]))


def package_items(folder: Path, suffixes: tuple[str, ...] = (".so",)) -> Iterator[Item]:
    """A package's modules and libraries, those that lie in a folder beside it included."""
    name = folder.name
    left_out = tuple(f"{name}/{part}" for part in _LEFT_OUT[name])
    for source in [*_sources(folder), *_libraries(folder, suffixes)]:
        path = source.relative_to(folder.parent).as_posix()
        if "/tests/" in path or _is_part(path, left_out):
            continue
        if source.suffix == ".py":
            yield Item(f"{SITE}/{path}c", source, path)
        else:
            yield Item(f"{SITE}/{path}", source)
    beside = folder.with_name(f"{name}.libs")
    for source in _libraries(beside, suffixes):
        yield Item(f"{SITE}/{beside.name}/{source.name}", source)


def _is_part(path: str, parts: tuple[str, ...]) -> bool:
    """Whether a file is one of these folders or modules, whatever its suffix."""
    return any(path == part or path.startswith((f"{part}/", f"{part}.")) for part in parts)


def _sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def _libraries(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and not set(suffixes).isdisjoint(path.suffixes)
    )


def _missing(package: str) -> StageError:
    return StageError(
        f"{sys.executable} has no {package}, which a game needs: {sys.executable} -m pip install {package}"
    )
