"""Fetches programs from Debian's archive into a folder of ours, without touching the system.

A private apt (own sources list, lists, cache and an empty status file) works out what the packages need down
to libc and downloads it; `dpkg-deb` unpacks it; every program is then pointed at the libraries beside it. The
mirror is read from the machine's own apt sources, the signatures are checked with the distribution's keyring.

Only the standard library: this runs before anything is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SUITE = "forky"  # the first suite of Debian that has Godot 4.4 or newer
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# Hooks of the machine's own apt (they clean the system's caches, for example) stay out of this.
_APT_CONFIG = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "{folder}";
Dir::State::Lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
APT::Sandbox::User "root";
"""


class SetupError(Exception):
    """The machine cannot be set up as it is; the message says what is missing and what to do."""


def missing_tools() -> list[str]:
    """What keeps this machine from fetching packages the private way; empty when nothing does."""
    missing = [f"`{tool}`" for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        return missing
    if not KEYRING.is_file():
        missing.append(f"Debian's keyring {KEYRING} (apt-get install debian-archive-keyring)")
    if find_mirror() is None:
        missing.append("a mirror of Debian among the machine's apt sources")
    return missing


def find_mirror() -> str | None:
    """Address of the Debian mirror that this machine itself uses; None on another distribution."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    addresses = listing.stdout.split()
    return next((address for address in addresses if address.rstrip("/").endswith("/debian")), None)


def download(packages: list[str], folder: Path) -> list[Path]:
    """Downloads `packages` and all they depend on into `folder`, and returns the archives."""
    mirror = find_mirror()
    if mirror is None:
        raise SetupError(
            f"cannot download {packages[0]}: no mirror of Debian among the machine's apt sources"
        )
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").write_text("", encoding="utf-8")
    (folder / "sources.list").write_text(
        f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n", encoding="utf-8"
    )
    (folder / "apt.conf").write_text(_APT_CONFIG.format(folder=folder), encoding="utf-8")
    apt = ["apt-get", "-c", str(folder / "apt.conf"), "-q"]
    _run([*apt, "update"], "cannot read Debian's list of packages")
    install = ["install", "--download-only", "--yes", "--no-install-recommends"]
    _run([*apt, *install, *packages], f"cannot download {packages[0]} from Debian {SUITE}", show=True)
    return sorted((folder / "cache" / "archives").glob("*.deb"))


def unpack(archives: list[Path], root: Path) -> None:
    """Unpacks `archives` into `root`, as dpkg would into `/`, but runs none of their scripts."""
    root.mkdir(parents=True)
    for archive in archives:
        _run(["dpkg-deb", "-x", str(archive), str(root)], f"cannot unpack {archive.name}")


def find_libraries(root: Path) -> Path:
    """The folder of shared libraries inside an unpacked root."""
    return next(iter(sorted((root / "usr" / "lib").glob("*-linux-gnu*"))))


def find_loader(root: Path) -> Path:
    """The program loader (ld-linux) inside an unpacked root."""
    return next(iter(sorted(find_libraries(root).glob("ld-linux*.so.*"))))


def forget_system_paths(root: Path) -> None:
    """Takes the search paths out of the libraries: they name the system's folders and come before ours."""
    libraries = find_libraries(root)
    shared = [file for file in libraries.rglob("*.so*") if file.is_file() and not file.is_symlink()]
    own = [str(file) for file in shared if not file.name.startswith("ld-linux")]
    _run([*_patchelf(root), "--remove-rpath", *own], "cannot take the search paths out of the libraries")
    for sound in (libraries / "pulseaudio").glob("*.so"):
        (libraries / sound.name).symlink_to(sound.relative_to(libraries))


def point_at_own_libraries(root: Path, programs: list[str], copied: Sequence[str] = ()) -> None:
    """Makes `programs` of an unpacked root load the libraries beside them, as long as it stays where it is.

    Starting them through the loader would do that too, but then /proc/self/exe names the loader, and the
    editor could not start the game: it runs itself again. An environment variable would reach every program
    that the engine starts, Python among them, with a C library that is not theirs. So the paths go into the
    files: the loader's in full (nothing else is possible), the libraries' relative to the program; in full,
    too, for those of `copied`, which are run as copies in other folders.
    """
    for program in programs:
        search = str(find_libraries(root))
        if program not in copied:
            search = f"$ORIGIN/../lib/{find_libraries(root).name}"
        paths = ["--set-interpreter", str(find_loader(root)), "--force-rpath", "--set-rpath", search]
        target = str(root / "usr" / "bin" / program)
        _run([*_patchelf(root), *paths, target], f"cannot point {program} at its own libraries")


def _patchelf(root: Path) -> list[str]:
    program = root / "usr" / "bin" / "patchelf"
    return [str(find_loader(root)), "--library-path", str(find_libraries(root)), str(program)]


def point_xvfb_at_own_keymaps(root: Path) -> None:
    """Makes an unpacked Xvfb start the keymap compiler beside it instead of /usr/bin/xkbcomp.

    The folder is compiled in, and no option changes it. The new name is relative and equally long; the
    wrapper changes to `usr` before it starts Xvfb.
    """
    program = root / "usr" / "bin" / "Xvfb"
    code = program.read_bytes()
    compiled_in, relative = b"\0/usr/bin\0", b"\0.////bin\0"
    if code.count(compiled_in) != 1:
        raise SetupError(f"cannot prepare {program}: the folder of xkbcomp is not where it was; install xvfb")
    program.write_bytes(code.replace(compiled_in, relative))


def _run(command: list[str], problem: str, show: bool = False) -> None:
    """Runs a step of ours; on failure its last lines of output say why."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    log: list[str] = []
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            log.append(line)
            if show and re.search(r"^Need to get|^Get:.* MB\]$", line):  # the small ones are too many to show
                print(f"    {line.strip()}", flush=True)
    if process.returncode != 0:
        raise SetupError(f"{problem}:\n" + "".join(log[-12:]).rstrip())
