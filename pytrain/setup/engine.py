"""The one place where Godot is found, or fetched.

Looked for in this order: `$GODOT`; `godot4` and `godot` on PATH; `.godot-engine/godot`, which `fetch`
makes from Debian's packages (see `debian.py`). The virtual display of the window tests is found the same way;
the templates that games are exported with come along with the engine (see `templates.py`).

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

from pytrain.setup import debian
from pytrain.setup.debian import SetupError

ROOT = Path(__file__).resolve().parents[2]
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
TEMPLATES = ("godot-template-release", "godot-template-debug")
UNPATCHED = "unpatched"
"""Folder of an unpacked root: the templates as Debian made them, for games that leave this machine."""
_ENGINE_PACKAGES = ["godot", *TEMPLATES, *_WINDOW_PACKAGES]
_DISPLAY_PACKAGES = ["xvfb", "x11-xkb-utils"]
_PROGRAMS = ["godot", *TEMPLATES, "Xvfb", "xkbcomp"]
ENGINE_MB, DISPLAY_MB = 1_200, 500
"""Space on the disk while each is fetched and unpacked."""

_GODOT_WRAPPER = """\
#!/bin/sh
# Starts Debian's Godot with the libraries and drivers unpacked beside it. Made by pytrain/setup/engine.py.
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
# Starts Debian's virtual display with the keymaps unpacked beside it. Made by pytrain/setup/engine.py.
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


def require_clone(what: str) -> Path:
    """The folder with the demo game; SetupError where only pytrain's wheel is installed."""
    if not (ROOT / "project.godot").is_file():
        raise SetupError(
            f"{what} plays the demo game, which is in a clone of Adaptive Agents and not beside this pytrain "
            f"(in {ROOT}): run it there. `pytrain train` works anywhere, on sessions of your own game"
        )
    return ROOT


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


def own_templates(folder: Path = ENGINE_FOLDER) -> Path | None:
    """The unpacked root that our own engine runs in, where its templates lie; None when it has none."""
    wrapper = folder / "godot"
    if not wrapper.is_file():
        return None
    root = _root_of(wrapper)
    return root if all((root / UNPATCHED / name).is_file() for name in TEMPLATES) else None


def lacks_engine() -> bool:
    """Whether an engine has to be fetched: there is none, or it is our own and came without templates."""
    found = find_godot()
    return found is None or (found.path == ENGINE_FOLDER / "godot" and own_templates() is None)


def fetch(folder: Path = ENGINE_FOLDER, *, godot: bool = True, xvfb: bool = True) -> None:
    """Downloads and unpacks Godot, a virtual display or both into `folder`; safe to repeat and to interrupt.

    What exists keeps working until the very end: the new files go into a folder of their own, and then one
    rename each puts the start scripts in place.
    """
    lacking = debian.missing_tools()
    if lacking:
        raise SetupError(
            f"no Godot on this machine, and it cannot be fetched without {', '.join(lacking)}; {WHERE_TO_GET}"
        )
    folder.mkdir(exist_ok=True)
    with _one_at_a_time(folder):
        what = " and ".join(["Godot, its export templates"] * godot + ["a virtual display"] * xvfb)
        print(f"  downloading {what} from Debian {debian.SUITE}", flush=True)
        packages = _ENGINE_PACKAGES * godot + _DISPLAY_PACKAGES * xvfb
        archives = debian.download([*packages, "patchelf"], folder / "download")
        print(f"  unpacking {len(archives)} packages", flush=True)
        main = "godot_" if godot else "xvfb_"
        version = next(archive.name.split("_")[1] for archive in archives if archive.name.startswith(main))
        version = version.replace(":", "-").replace("%3a", "-")  # a colon would cut a search path
        unpacked = Path(tempfile.mkdtemp(prefix=f"{main}{version}-", dir=folder))
        unpacked.chmod(0o755)
        try:
            _unpack(archives, unpacked / "root", folder)
        except BaseException:
            shutil.rmtree(unpacked, ignore_errors=True)
            raise
        _clear_up(folder)


def _unpack(archives: list[Path], root: Path, folder: Path) -> None:
    debian.unpack(archives, root)
    debian.forget_system_paths(root)
    names = {
        "unpacked": root.relative_to(folder),
        "libraries": debian.find_libraries(root).relative_to(root),
        "loader": debian.find_loader(root).name,
    }
    programs = root / "usr" / "bin"
    (root / UNPATCHED).mkdir()
    for template in TEMPLATES:
        if (programs / template).is_file():
            shutil.copy2(programs / template, root / UNPATCHED)
    if (programs / "Xvfb").is_file():
        debian.point_xvfb_at_own_keymaps(root)
    _settle(root, folder)
    if (programs / "Xvfb").is_file():
        _write_program(folder / "Xvfb", _XVFB_WRAPPER.format(**names))
    if (programs / "godot").is_file():
        _write_program(folder / "godot", _GODOT_WRAPPER.format(**names))


def settle(folder: Path = ENGINE_FOLDER) -> None:
    """Mends what was fetched after the project's folder has moved: programs name their loader in full."""
    for root in folder.glob("*/root"):
        place = root / "unpacked_for"
        if place.is_file() and place.read_text(encoding="utf-8") != str(folder):
            _settle(root, folder)


def _settle(root: Path, folder: Path) -> None:
    programs = [name for name in _PROGRAMS if (root / "usr" / "bin" / name).is_file()]
    debian.point_at_own_libraries(root, programs, copied=TEMPLATES)
    (root / "unpacked_for").write_text(str(folder), encoding="utf-8")


def _write_program(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o755)
    fresh.replace(path)


def _root_of(wrapper: Path) -> Path:
    """The unpacked root that a start script of ours names."""
    named = re.search(r'^root="\$here/(.+)"$', wrapper.read_text(encoding="utf-8"), re.MULTILINE)
    if named is None:
        raise SetupError(
            f"'{wrapper}' names no unpacked folder; remove {wrapper.parent} and run `make setup`"
        )
    return wrapper.parent / named.group(1)


def _clear_up(folder: Path) -> None:
    """Removes the downloads and what earlier fetches unpacked, unless a start script needs it."""
    wrappers = [folder / name for name in ("godot", "Xvfb")]
    needed = {_root_of(wrapper).parent for wrapper in wrappers if wrapper.is_file()}
    for entry in folder.iterdir():
        if entry.is_dir() and entry not in needed:
            shutil.rmtree(entry, ignore_errors=True)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two set-ups at once wait for each other instead of unpacking over each other."""
    with (folder / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
