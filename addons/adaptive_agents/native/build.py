"""Builds the native part of the addon for this machine: `python build.py`.

Three files end up in `addons/adaptive_agents/bin/`:

- `libadaptive_agents.<platform>.so`, the library that the engine loads (LIBRARY_SOURCES below);
- `_adaptive_agents.<abi>.so`, the module through which Python and the engine call each other (bridge.c, made
  by cffi from the engine's declarations, gdextension_interface.h);
- `python_home.cfg`, where the library finds the Python that ran this script, with all it has installed.

Nothing is done when nothing changed. No engine is needed: the declarations are those of Godot 4.4, the oldest
that is supported, and what is newer is looked up by name at run time. Needs cffi, a C compiler, Python's
headers and a shared libpython.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from platform import machine

from platforms import LINUX, MODULE

NATIVE = Path(__file__).resolve().parent
ADDON = NATIVE.parent
BIN = ADDON / "bin"
LIBRARY = LINUX.library
LIBRARY_SOURCES = ("entry.c", "home.c", "interpreter.c", "engine.c", "classes.c", "objects.c", "loader.c")
INTERFACE = NATIVE / "gdextension_interface.h"
PYTHON = ADDON / "python"
PACKAGES = ("cffi", "msgpack", "numpy", "onnxruntime")
"""What the game's Python needs beside itself."""


class BuildError(Exception):
    """Something on this machine is missing; the message says what."""


def check_machine() -> None:
    """Finds out now what this script cannot do."""
    if not sys.platform.startswith("linux") or machine() not in ("x86_64", "AMD64"):
        raise BuildError(
            f"this script builds on and for Linux (x86_64); this is {sys.platform} ({machine()}): unpack the "
            "addon's zip of your platform into the project; it is made on Linux, by `make addon PLATFORM=…`"
        )


def check_packages() -> None:
    """Finds out now what a game would miss later."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise BuildError(
            f"{sys.executable} has no {', '.join(missing)}: use the Python of the environment that "
            f"`make setup` made (.venv/bin/python), or: {sys.executable} -m pip install {' '.join(missing)}"
        )


def find_libpython() -> Path:
    """The shared libpython of the running interpreter."""
    name = sysconfig.get_config_var("INSTSONAME") or ""
    folders = [
        sysconfig.get_config_var("LIBDIR"),
        sysconfig.get_config_var("LIBPL"),
        sys.base_prefix + "/lib",
    ]
    multiarch = sysconfig.get_config_var("MULTIARCH")
    if multiarch:
        folders.append(f"/usr/lib/{multiarch}")
    for folder in folders:
        candidate = Path(folder or "/") / name
        if ".so" in name and candidate.is_file():
            return candidate
    raise BuildError(
        f"{sys.executable} has no shared libpython (looked for {name!r} in {', '.join(map(str, folders))}). "
        "On Debian: apt-get install libpython3-dev"
    )


def python_home() -> str:
    """The text of `python_home.cfg`; paths inside the addon are relative, so that a project can be moved."""
    paths = dict.fromkeys(
        [
            sysconfig.get_path("stdlib"),
            sysconfig.get_path("platstdlib", vars={"platbase": sys.base_prefix}),
            str(Path(sysconfig.get_path("stdlib")) / "lib-dynload"),
            sysconfig.get_path("platlib"),
            sysconfig.get_path("purelib"),
            "../python",
            "./",
        ]
    )
    lines = [
        "# Written by native/build.py: the Python that the game runs on.",
        f"version={addon_version()}",
        f"python={sys.version_info.major}.{sys.version_info.minor}",
        f"libpython={find_libpython()}",
    ]
    lines += [f"home={sys.base_prefix}", *(f"path={path}" for path in paths)]
    return "\n".join(lines) + "\n"


def addon_version() -> str:
    """The version that plugin.cfg names; library and runtime must have the same."""
    found = re.search(r'^version="(.+)"$', (ADDON / "plugin.cfg").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise BuildError(f"'{ADDON / 'plugin.cfg'}' names no version")
    return found.group(1)


def declarations(compiler: list[str]) -> str:
    """The engine's interface in the C that cffi reads.

    No includes, no comments, and no character typedefs, which cffi knows.
    """
    text = re.sub(
        r"#include.*|typedef uint(32|16)_t char(32|16)_t;|#pragma once", "", INTERFACE.read_text("utf-8")
    )
    preprocess = [*compiler, "-E", "-P", "-x", "c", "-"]
    text = subprocess.run(preprocess, input=text, capture_output=True, text=True, check=True).stdout
    # C writes `()` for "any arguments"; in this interface it means none.
    return text.replace("()", "(void)")


def bridge_source(folder: Path, interface: str) -> None:
    """Writes the C source of the Python module: the bridge and, generated by cffi, what lets Python at it."""
    import cffi  # not before check_packages has said what is missing

    headers = "".join((NATIVE / name).read_text("utf-8") for name in ("objects.h", "bridge.h"))
    bridge = "".join((NATIVE / name).read_text("utf-8") for name in ("interface.h", "bridge.c", "agents.c"))
    callbacks = _without_comments((NATIVE / "callbacks.h").read_text("utf-8"))
    functions = re.findall(r"X\((GDExtensions?Interface\w+), (\w+)\)", bridge)
    builder = cffi.FFI()
    builder.cdef(interface)
    builder.cdef(_without_comments(headers))
    builder.cdef("".join(f"extern {kind} {name};\n" for kind, name in functions))
    builder.cdef(callbacks)
    forward = re.sub(r"^\s*(?=\w.*;)", "static ", callbacks.split("{")[1].split("}")[0], flags=re.MULTILINE)
    builder.set_source(MODULE, f'#include "gdextension_interface.h"\n{headers}\n{forward}\n{bridge}')
    with contextlib.redirect_stdout(None):  # it tells where it writes
        builder.emit_c_code(str(folder / f"{MODULE}.c"))


def _without_comments(source: str) -> str:
    return re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)


def class_table(folder: Path) -> None:
    """Writes the table of our classes, from the Python declarations, with the bridge that was just built."""
    path = os.pathsep.join([str(folder), str(PYTHON)])
    subprocess.run(
        [sys.executable, NATIVE / "class_table.py", folder / "class_table.h"],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
    )


def compile_shared(sources: list[Path], target: Path, compiler: list[str], *options: str) -> None:
    """Compiles a shared library; what was generated for it lies beside the target."""
    include = [f"-I{target.parent}", f"-I{NATIVE}", f"-I{sysconfig.get_path('include')}"]
    command = [
        *compiler,
        "-O2",
        "-fPIC",
        "-shared",
        *options,
        *include,
        "-o",
        target,
        *sources,
        "-ldl",
        "-lm",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BuildError(f"compiling {target.name} failed:\n{result.stderr}")


def stamp(home: str) -> str:
    """What the built files depend on."""
    cffi_version = importlib.metadata.version("cffi")
    digest = hashlib.sha256(home.encode())
    digest.update(f"{sys.version} {cffi_version}".encode())
    declarations_of_classes = (PYTHON / "adaptive_agents").glob("[gn]*/*.py")  # godot/ and nodes/
    documentation = (ADDON / "doc_classes").glob("*.xml")
    for source in sorted([*NATIVE.glob("*.[chp]*"), *declarations_of_classes, *documentation]):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def build() -> bool:
    """Builds what is out of date. True where something was built."""
    home = python_home()
    module = BIN / (MODULE + sysconfig.get_config_var("EXT_SUFFIX"))
    stamp_file = BIN / "build_stamp"
    current = stamp(home)
    built = (BIN / LIBRARY, module, BIN / "python_home.cfg")
    if all(path.is_file() for path in built) and stamp_file.is_file() and stamp_file.read_text() == current:
        return False
    compiler = (os.environ.get("CC") or "cc").split()
    if not shutil.which(compiler[0]):
        raise BuildError(f"there is no C compiler ('{compiler[0]}'). On Debian: apt-get install gcc")
    BIN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BIN, prefix=".build-") as temporary:
        folder = Path(temporary)
        bridge_source(folder, declarations(compiler))
        compile_shared([folder / f"{MODULE}.c"], folder / module.name, compiler)
        class_table(folder)
        sources = [NATIVE / name for name in LIBRARY_SOURCES]
        version = f'-DADDON_VERSION="{addon_version()}"'
        compile_shared(sources, folder / LIBRARY, compiler, "-fvisibility=hidden", version)
        # A running engine keeps the file it opened: replace, never overwrite.
        for name in (LIBRARY, module.name):
            (folder / name).replace(BIN / name)
    (BIN / "python_home.cfg").write_text(home)
    stamp_file.write_text(current)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    try:
        check_machine()
        check_packages()
        print("built" if build() else "up to date", BIN)
    except BuildError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
