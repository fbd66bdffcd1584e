"""The native part as it is given away: three platforms, the same bytes anywhere, nothing of the machine."""

from __future__ import annotations

import os
import platform as this_machine
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADDON = ROOT / "addons" / "adaptive_agents"
HOST = ROOT / "tests" / "native" / "host.c"
LIMIT_SEC = 600  # the very first build on a machine also makes zig's libraries for each platform
WINE = shutil.which("wine64") or shutil.which("wine") or shutil.which("wine64", path="/usr/lib/wine")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def native() -> Iterator[SimpleNamespace]:
    """The scripts of native/, which import each other by their bare names."""
    sys.path.insert(0, str(ADDON / "native"))
    import build
    import cross
    import platforms

    os.environ.setdefault("ZIG_GLOBAL_CACHE_DIR", str(cross.CACHE))
    yield SimpleNamespace(build=build, cross=cross, platforms=platforms)
    sys.path.remove(str(ADDON / "native"))


@pytest.fixture(scope="module")
def built(native, tmp_path_factory) -> Path:
    """Libraries and bridges of all platforms."""
    folder = tmp_path_factory.mktemp("built")
    native.cross.compile_all(folder)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_platform_gets_a_library_and_a_bridge_of_its_own_kind(built) -> None:
    kinds = {}
    for name, content in files(built).items():
        if content.startswith(b"\x7fELF"):
            kinds[name] = ("elf", content[18])
        elif content.startswith(b"MZ"):
            header = struct.unpack_from("<I", content, 0x3C)[0]
            kinds[name] = ("pe", struct.unpack_from("<H", content, header + 4)[0])
        else:
            count = struct.unpack_from(">II", content)
            slices = [struct.unpack_from(">IIIII", content, 8 + 20 * i) for i in range(count[1])]
            assert all(content[start : start + 4] == b"\xcf\xfa\xed\xfe" for _, _, start, _, _ in slices)
            kinds[name] = ("universal", *(hex(kind) for kind, *_ in slices))
    elf, pe, universal = ("elf", 62), ("pe", 0x8664), ("universal", "0x100000c", "0x1000007")
    assert kinds == {
        "libadaptive_agents.linux.x86_64.so": elf,
        "libadaptive_agents.windows.x86_64.dll": pe,
        "libadaptive_agents.macos.universal.dylib": universal,
        "linux.x86_64/_adaptive_agents.abi3.so": elf,
        "windows.x86_64/_adaptive_agents.pyd": pe,
        "macos.universal/_adaptive_agents.abi3.so": universal,
    }


def test_nothing_of_the_machine_is_in_them(built) -> None:
    here = [str(path) for path in (ROOT, Path(sys.base_prefix), built.parent)]
    here += [this_machine.node()] if len(this_machine.node()) > 3 else []  # "vm" is in many a word
    folders = rb"/(?:root|home|tmp|Users|nix|opt|usr/include)/"
    known = re.compile(rb"|".join([*(re.escape(name.encode()) for name in here), folders]))
    for name, content in files(built).items():
        texts = re.findall(rb"[\x20-\x7e]{6,}", content)
        assert [text for text in texts if known.search(text)] == [], name


def test_the_linux_ones_need_no_newer_glibc_than_2_28(native, built) -> None:
    for name, content in files(built).items():
        versions = [tuple(map(int, found)) for found in re.findall(rb"GLIBC_(\d+)\.(\d+)", content)]
        if versions:
            print(f"{name}: glibc {max(versions)[0]}.{max(versions)[1]}, {len(content):,} bytes")
            assert max(versions) <= native.platforms.GLIBC
            assert content.count(b"\x7fELF") == 1


def test_the_bridge_of_windows_needs_python3_and_the_system_alone(built) -> None:
    needed = {
        name.lower()
        for name in re.findall(rb"[\w-]+\.dll", files(built)["windows.x86_64/_adaptive_agents.pyd"])
    }
    assert b"python3.dll" in needed
    assert {
        name for name in needed if not name.startswith((b"python3.", b"kernel32.", b"api-ms-win-crt-"))
    } == set()


def test_another_folder_gives_the_same_bytes(built, tmp_path) -> None:
    addon = tmp_path / "elsewhere äöü" / "adaptive_agents"
    shutil.copytree(ADDON, addon, ignore=shutil.ignore_patterns("bin", "__pycache__"))
    command = [sys.executable, addon / "native" / "cross.py", "--out", tmp_path / "out"]
    subprocess.run(
        command, check=True, capture_output=True, timeout=LIMIT_SEC, env={**os.environ, "TZ": "UTC+9"}
    )
    ours, theirs = files(built), files(tmp_path / "out")
    assert [name for name in ours if ours[name] != theirs.get(name)] == []


def compile_host(native, platform, target: Path) -> Path:
    # The same options as for the library: zig keeps a C library for each set of them.
    options = ["-municode"] if platform == native.platforms.WINDOWS else ["-ldl", "-lpthread"]
    command = [*native.cross.COMPILER, "-target", platform.targets[0], "-O2", "-s", *options]
    command += [f"-I{ADDON / 'native'}", "-o", str(target), str(HOST)]
    subprocess.run(command, check=True, timeout=LIMIT_SEC)
    return target


def no_python(run: subprocess.CompletedProcess[str], folder: str, platform: str) -> None:
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"'{folder}/adaptive_agents.{platform}/python_home.cfg' is missing" in run.stdout
    assert re.search(r"^[1-9]\d* classes, 1 errors$", run.stdout, re.MULTILINE)


def put(library: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return Path(shutil.copy(library, folder))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="runs the Linux library")
def test_the_linux_library_registers_its_classes_without_python(native, built, tmp_path) -> None:
    host = compile_host(native, native.platforms.LINUX, tmp_path / "host")
    library = put(built / native.platforms.LINUX.library, tmp_path / "Spiel äöü 游戏")
    run = subprocess.run([host, library], check=False, capture_output=True, text=True, timeout=60)
    no_python(run, str(library.parent), "linux.x86_64")
    assert "This addon holds no Python for linux.x86_64" in run.stdout
    run = subprocess.run([host, library, "template"], check=False, capture_output=True, text=True, timeout=60)
    no_python(run, str(library.parent), "linux.x86_64")
    assert "Install the game again" in run.stdout


ANOTHER_PYTHON = """
int Py_IsInitialized(void) { return RUNNING; }
const char *Py_GetVersion(void) { return VERSION " (main)"; }
"""


@pytest.fixture
def fake_python(native, tmp_path):
    """Makes a library that says it is a Python, running or not."""

    def make(version: str, *, running: bool) -> Path:
        target, source = tmp_path / f"python{version}.so", tmp_path / "python.c"
        source.write_text(ANOTHER_PYTHON)
        command = [
            *native.cross.COMPILER,
            "-target",
            native.platforms.LINUX.targets[0],
            "-O2",
            "-s",
            "-shared",
        ]
        command += [f'-DVERSION="{version}"', f"-DRUNNING={int(running)}", "-o", str(target), str(source)]
        subprocess.run(command, check=True, timeout=LIMIT_SEC)
        return target

    return make


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="runs the Linux library")
def test_a_python_of_another_version_or_another_addons_is_left_alone(
    native, built, fake_python, tmp_path
) -> None:
    host = compile_host(native, native.platforms.LINUX, tmp_path / "host")
    library = put(built / native.platforms.LINUX.library, tmp_path / "game")
    folder = stage(library, "linux.x86_64", python=fake_python("3.99.1", running=False).read_bytes())
    run = subprocess.run([host, library], check=False, capture_output=True, text=True, timeout=60)
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"/python.dll' is Python 3.99.1, and this library was built for Python {ours}." in run.stdout
    assert "unpack the addon's zip into the project again" in run.stdout
    shutil.rmtree(folder)
    stage(library, "linux.x86_64", python=fake_python(f"{ours}.0", running=False).read_bytes())
    taken = {**os.environ, "LD_PRELOAD": str(fake_python("3.98.2", running=True))}
    for words, advice in ((), "switch one of them off"), (("template",), "tell its makers"):
        command = [host, library, *words]
        run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=taken)
        assert "another addon of this game has started Python 3.98.2 already" in run.stdout
        assert advice in run.stdout
        assert "classes, 1 errors" in run.stdout


@pytest.fixture(scope="module")
def wine(native, built, tmp_path_factory):
    """Runs the host with the library of Windows in a folder, and a Windows of its own."""
    if WINE is None:
        pytest.skip("no Wine to run the Windows library with: apt-get install --no-install-recommends wine64")
    folder = tmp_path_factory.mktemp("wine")
    host = compile_host(native, native.platforms.WINDOWS, folder / "host.exe")
    environment = {**os.environ, "WINEPREFIX": str(folder / "windows"), "WINEDEBUG": "-all"}
    environment.pop("DISPLAY", None)

    def run(library: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [WINE, str(host), f"Z:{library}", *arguments]
        return subprocess.run(
            command,
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
            env=environment,
        )

    return run


@pytest.fixture
def library(native, built, tmp_path) -> Path:
    """The library of Windows, in a game's folder."""
    return put(built / native.platforms.WINDOWS.library, tmp_path / "Spiel äöü 游戏")


def stage(library: Path, platform: str = "windows.x86_64", **contents: bytes) -> Path:
    """A runtime beside the library, with files that are no Python."""
    folder = library.parent / f"adaptive_agents.{platform}"
    folder.mkdir()
    for name, content in contents.items():
        (folder / f"{name}.dll").write_bytes(content)
    listed = "".join(f"file={len(content)} {name}.dll\n" for name, content in contents.items())
    version = re.search(r'^version="(.+)"$', (ADDON / "plugin.cfg").read_text(), re.MULTILINE)
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    head = f"version={version.group(1)}\npython={python}\nlibpython=python.dll\nhome=./\npath=./\n"
    (folder / "python_home.cfg").write_text(f"{head}{listed}complete=yes\n", encoding="utf-8")
    return folder


def test_on_windows_a_missing_runtime_gives_one_error_and_the_game_plays_on(wine, library) -> None:
    run = wine(library)
    no_python(run, f"Z:{library.parent}", "windows.x86_64")
    assert "This addon holds no Python for windows.x86_64" in run.stdout
    run = wine(library, "template")
    no_python(run, f"Z:{library.parent}", "windows.x86_64")
    assert "Install the game again" in run.stdout


def test_on_windows_a_file_of_another_size_is_named_with_both(wine, library) -> None:
    folder = stage(library, python=b"12345", other=b"1234567")
    (folder / "other.dll").write_bytes(b"1")
    run = wine(library, "template")
    assert re.search(r"/other\.dll' has 1 bytes where 7 are expected\.", run.stdout), run.stdout
    assert "classes, 1 errors" in run.stdout


def test_on_windows_what_is_no_python_is_not_started(native, wine, library, tmp_path) -> None:
    folder = stage(library, python=b"no library")
    assert "cannot be opened: Windows error 193" in wine(library).stdout
    (tmp_path / "python.c").write_text(
        "__declspec(dllexport) int Py_IsInitialized(void) { return 0; }\n"
        '__declspec(dllexport) const char *Py_GetVersion(void) { return "3.99.1 (main)"; }\n'
    )
    command = [*native.cross.COMPILER, "-target", native.platforms.WINDOWS.targets[0], "-O2", "-s", "-shared"]
    subprocess.run(
        [*command, "-o", folder / "python.dll", tmp_path / "python.c"], check=True, timeout=LIMIT_SEC
    )
    home = folder / "python_home.cfg"
    size = (folder / "python.dll").stat().st_size
    home.write_text(home.read_text().replace("file=10 ", f"file={size} "), encoding="utf-8")
    built_for = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert re.search(
        rf"is Python 3\.99\.1, and this library was built for Python {built_for}\.", wine(library).stdout
    )
