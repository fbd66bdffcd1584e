"""The one place where Godot is found, or fetched.

Looked for in this order: `$GODOT`; `godot4` and `godot` on PATH; `.godot-engine/godot`, which `fetch_godot`
makes from Debian's packages (see `debian.py`). The virtual display of the window tests is found the same way.

Only the standard library: this runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pytrain import debian
from pytrain.debian import SetupError

ROOT = Path(__file__).resolve().parent.parent
ENGINE_FOLDER = ROOT / ".godot-engine"
OLDEST_VERSION = (4, 4)
WHERE_TO_GET = (
    "download Godot 4.4 or newer (the standard build, not .NET) from Godot's official web site and set the "
    "variable GODOT to the program: export GODOT=/path/to/godot"
)

# Godot opens these only when it makes a window, so its package does not require them.
_WINDOW_PACKAGES = [
    *("libgl1", "libglx-mesa0", "libegl1", "libegl-mesa0", "libgl1-mesa-dri"),
    *("libxcursor1", "libxi6", "libxinerama1", "libxrandr2", "libxrender1", "libxkbcommon0", "xkb-data"),
]
_PACKAGES = ["godot", "godot-template-release", *_WINDOW_PACKAGES, "xvfb", "x11-xkb-utils", "patchelf"]
_PROGRAMS = ["godot", "godot-template-release", "Xvfb", "xkbcomp"]
_DOWNLOAD_MB = 190
NEEDED_MB = 1_000

_GODOT_WRAPPER = """\
#!/bin/sh
# Starts Debian's Godot with the libraries and drivers unpacked beside it. Made by pytrain/engine.py.
here=$(dirname -- "$(readlink -f -- "$0")")
root="$here/{unpacked}"
libraries="$root/{libraries}"
export LIBGL_DRIVERS_PATH="${{LIBGL_DRIVERS_PATH:-$libraries/dri}}"
export GBM_BACKENDS_PATH="${{GBM_BACKENDS_PATH:-$libraries/gbm}}"
vendors=/etc/glvnd/egl_vendor.d:/usr/share/glvnd/egl_vendor.d:$root/usr/share/glvnd/egl_vendor.d
export __EGL_VENDOR_LIBRARY_DIRS="${{__EGL_VENDOR_LIBRARY_DIRS:-$vendors}}"
[ -d /usr/share/X11/xkb ] || export XKB_CONFIG_ROOT="${{XKB_CONFIG_ROOT:-$root/usr/share/X11/xkb}}"
[ -d /usr/share/X11/locale ] || export XLOCALEDIR="${{XLOCALEDIR:-$root/usr/share/X11/locale}}"
[ -d /etc/fonts ] || export FONTCONFIG_PATH="${{FONTCONFIG_PATH:-$root/etc/fonts}}"
if [ "$here" = "$(cat "$root/unpacked_for")" ]; then
    exec "$root/usr/bin/godot" "$@"
fi
# The folder was moved since: the path of the loader inside the program is stale.
exec "$libraries/{loader}" --library-path "$libraries" --argv0 godot "$root/usr/bin/godot" "$@"
"""

_XVFB_WRAPPER = """\
#!/bin/sh
# Starts Debian's virtual display with the keymaps unpacked beside it. Made by pytrain/engine.py.
here=$(dirname -- "$(readlink -f -- "$0")")
root="$here/{unpacked}"
cd "$root/usr" || exit 1
exec bin/Xvfb "$@" -xkbdir "$root/usr/share/X11/xkb"
"""


@dataclass(frozen=True)
class Engine:
    """A Godot that can be started."""

    path: Path
    version: str


def find_godot() -> Engine | None:
    """The engine to use, or None when there is none yet.

    Raises SetupError when `$GODOT` is set but is no usable Godot: what the user named is never passed over.
    """
    named = os.environ.get("GODOT")
    if named:
        path = shutil.which(named)
        if path is None:
            raise SetupError(f"the variable GODOT names '{named}', which is no program; {WHERE_TO_GET}")
        version = read_version(Path(path))
        if version is None or not is_new_enough(version):
            wanted = ".".join(map(str, OLDEST_VERSION))
            raise SetupError(
                f"the variable GODOT names '{named}', version {version or 'unknown'}, but {wanted} or newer "
                f"is needed; {WHERE_TO_GET}"
            )
        return Engine(Path(path), version)
    candidates = [shutil.which("godot4"), shutil.which("godot"), str(ENGINE_FOLDER / "godot")]
    for candidate in candidates:
        if candidate is None or not Path(candidate).is_file():
            continue
        version = read_version(Path(candidate))
        if version is not None and is_new_enough(version):
            return Engine(Path(candidate), version)
    return None


def require_godot() -> Engine:
    """The engine to use; SetupError says what to do when there is none."""
    engine = find_godot()
    if engine is None:
        raise SetupError(f"no Godot on this machine; run `make setup`, or {WHERE_TO_GET}")
    return engine


def find_xvfb() -> Path | None:
    """The virtual display for tests that open a window, or None when there is none yet."""
    on_path = shutil.which("Xvfb")
    if on_path is not None:
        return Path(on_path)
    own = ENGINE_FOLDER / "Xvfb"
    return own if own.is_file() else None


def read_version(program: Path) -> str | None:
    """What `godot --version` prints, for example '4.6.3.stable'; None when it does not run."""
    try:
        answer = subprocess.run(
            [program, "--headless", "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"^\d+\.\d+[^\s]*", answer.stdout, re.MULTILINE)
    return version.group() if version and answer.returncode == 0 else None


def is_new_enough(version: str) -> bool:
    """Whether a version as `read_version` gives it is one that the addon supports."""
    numbers = re.findall(r"\d+", version)[:2]
    return tuple(map(int, numbers)) >= OLDEST_VERSION


def fetch_godot(folder: Path = ENGINE_FOLDER) -> None:
    """Downloads and unpacks Godot and a virtual display into `folder`; safe to repeat and to interrupt.

    What exists keeps working until the very end: the new files go into a folder of their own, and then one
    rename each puts the two start scripts in place.
    """
    lacking = debian.missing_tools()
    if lacking:
        raise SetupError(
            f"no Godot on this machine, and it cannot be fetched without {', '.join(lacking)}; {WHERE_TO_GET}"
        )
    folder.mkdir(exist_ok=True)
    with _one_at_a_time(folder):
        print(
            f"  downloading Godot and its libraries from Debian {debian.SUITE} ({_DOWNLOAD_MB} MB)",
            flush=True,
        )
        archives = debian.download(_PACKAGES, folder / "download")
        print(f"  unpacking {len(archives)} packages", flush=True)
        version = next(
            archive.name.split("_")[1] for archive in archives if archive.name.startswith("godot_")
        )
        unpacked = Path(tempfile.mkdtemp(prefix=f"{version}-", dir=folder))
        unpacked.chmod(0o755)
        try:
            _unpack(archives, unpacked / "root", folder)
        except BaseException:
            shutil.rmtree(unpacked, ignore_errors=True)
            raise
        _clear_up(folder, keep=unpacked)


def _unpack(archives: list[Path], root: Path, folder: Path) -> None:
    debian.unpack(archives, root)
    debian.forget_system_paths(root)
    debian.point_xvfb_at_own_keymaps(root)
    _settle(root, folder)
    names = {
        "unpacked": root.relative_to(folder),
        "libraries": debian.find_libraries(root).relative_to(root),
        "loader": debian.find_loader(root).name,
    }
    _write_program(folder / "Xvfb", _XVFB_WRAPPER.format(**names))
    _write_program(folder / "godot", _GODOT_WRAPPER.format(**names))


def settle(folder: Path = ENGINE_FOLDER) -> None:
    """Mends what was fetched after the project's folder has moved: programs name their loader in full."""
    for root in folder.glob("*/root"):
        place = root / "unpacked_for"
        if place.is_file() and place.read_text(encoding="utf-8") != str(folder):
            _settle(root, folder)


def _settle(root: Path, folder: Path) -> None:
    debian.point_at_own_libraries(root, _PROGRAMS)
    (root / "unpacked_for").write_text(str(folder), encoding="utf-8")


def _write_program(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o755)
    fresh.replace(path)


def _clear_up(folder: Path, keep: Path) -> None:
    """Removes the downloads and what earlier fetches unpacked."""
    for entry in folder.iterdir():
        if entry.is_dir() and entry != keep:
            shutil.rmtree(entry, ignore_errors=True)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two set-ups at once wait for each other instead of unpacking over each other."""
    with (folder / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
