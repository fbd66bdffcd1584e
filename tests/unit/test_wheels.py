"""The runtime of another platform: whole, from an interpreter's archive and wheels, or refused."""

from __future__ import annotations

import io
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

ADDON = Path(__file__).resolve().parents[2] / "addons" / "adaptive_agents"
MINOR = sys.version_info[1]
OTHER = MINOR + 1


@pytest.fixture(scope="module")
def native() -> Iterator[SimpleNamespace]:
    """The scripts of native/, which import each other by their bare names."""
    sys.path.insert(0, str(ADDON / "native"))
    import platforms
    import stage
    import wheels

    yield SimpleNamespace(platforms=platforms, stage=stage, wheels=wheels)
    sys.path.remove(str(ADDON / "native"))


def zipped(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def windows_python(minor: int = MINOR) -> dict[str, bytes]:
    """As python.org's embeddable package, with empty libraries."""
    libraries = ["python3.dll", "vcruntime140.dll", "_socket.pyd", "_ssl.pyd", "libffi-8.dll", "python.exe"]
    standard = zipped(**{"os.pyc": b"os", "encodings/__init__.pyc": b"encodings"})
    named = {f"python3{minor}.dll": b"MZ python", f"python3{minor}.zip": standard}
    return {**dict.fromkeys(libraries, b"MZ"), **named}


def macos_python(minor: int = MINOR) -> dict[str, bytes]:
    """As a relocatable build unpacks."""
    library = f"python/lib/python3.{minor}"
    return {
        f"python/lib/libpython3.{minor}.dylib": b"\xcf\xfa\xed\xfe",
        f"{library}/os.py": b"name = 'posix'\n",
        f"{library}/lib-dynload/zlib.cpython-3{minor}-darwin.so": b"\xcf\xfa\xed\xfe",
    }


def make_wheels(folder: Path, suffix: str, library: str) -> list[Path]:
    """The four packages, as far as a runtime takes them; `library` is a file that numpy brings along."""
    folder.mkdir()
    contents = {
        "numpy": {
            "numpy/__init__.py": b"",
            "numpy/tests/test_all.py": b"",
            f"numpy/_core/_multiarray_umath.{suffix}": b"MZ",
            library: b"MZ",
        },
        "onnxruntime": {
            "onnxruntime/__init__.py": b"",
            f"onnxruntime/capi/onnxruntime_pybind11_state.{suffix.rpartition('.')[2]}": b"MZ",
            "onnxruntime/capi/onnxruntime.dll": b"MZ",
            "onnxruntime/tools/huge.py": b"",
        },
        "msgpack": {"msgpack/__init__.py": b""},
        "cffi": {f"_cffi_backend.{suffix}": b"MZ", "cffi/api.py": b""},
    }
    made = []
    for name, files in contents.items():
        made.append(folder / f"{name}.whl")
        made[-1].write_bytes(zipped(**files))
    return made


@pytest.fixture
def bridge(tmp_path) -> Path:
    """In place of a compiled one."""
    (tmp_path / "bridge").mkdir()
    return tmp_path / "bridge"


def stage(
    native, monkeypatch, tmp_path, platform, archive: Path | None, bridge: Path, suffix: str, library: str
):
    found = make_wheels(tmp_path / "wheels", suffix, library)
    monkeypatch.setattr(native.wheels, "fetch", lambda _platform, _folder: found)
    made = bridge / platform.module
    made.write_bytes(b"MZ")
    target = tmp_path / "out" / platform.runtime
    return native.stage.stage(target, platform.name, bridge=made, archive=archive)


@pytest.fixture
def stage_windows(native, monkeypatch, tmp_path, bridge):
    """Stages for Windows from an archive with these files."""

    def run(files: dict[str, bytes] | None):
        archive = None if files is None else tmp_path / "python-embed-amd64.zip"
        if archive:
            archive.write_bytes(zipped(**files))
        parts = (f"cp3{MINOR}-win_amd64.pyd", "numpy.libs/openblas.dll")
        return stage(native, monkeypatch, tmp_path, native.platforms.WINDOWS, archive, bridge, *parts)

    return run


def test_a_runtime_for_windows_is_whole(stage_windows) -> None:
    staged = stage_windows(windows_python())
    home = (staged.folder / "python_home.cfg").read_text(encoding="utf-8").splitlines()
    assert f"libpython=python3{MINOR}.dll" in home
    assert home[-1] == "complete=yes"
    assert set(staged.sizes) == {
        *("python3.dll", f"python3{MINOR}.dll", f"python3{MINOR}.zip", "vcruntime140.dll"),
        *("lib-dynload/_socket.pyd", "lib-dynload/libffi-8.dll", "python_home.cfg", "THIRD_PARTY.md"),
        *("site/_adaptive_agents.pyd", f"site/_cffi_backend.cp3{MINOR}-win_amd64.pyd"),
        *("site/numpy/__init__.pyc", f"site/numpy/_core/_multiarray_umath.cp3{MINOR}-win_amd64.pyd"),
        *("site/numpy.libs/openblas.dll", "site/msgpack/__init__.pyc", "site/onnxruntime/__init__.pyc"),
        "site/onnxruntime/capi/onnxruntime_pybind11_state.pyd",
    }
    with zipfile.ZipFile(staged.folder / f"python3{MINOR}.zip") as archive:
        assert {"os.pyc", "encodings/__init__.pyc", "adaptive_agents/spec.pyc"} <= set(archive.namelist())
    assert [path.name for path in staged.folder.parent.iterdir() if path.name.startswith(".")] == []


def test_a_runtime_for_macos_is_whole(native, monkeypatch, tmp_path, bridge) -> None:
    archive = tmp_path / "python.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for name, content in macos_python().items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    parts = (f"cpython-3{MINOR}-darwin.so", "numpy/.dylibs/openblas.dylib")
    staged = stage(native, monkeypatch, tmp_path, native.platforms.MACOS, archive, bridge, *parts)
    assert f"libpython3.{MINOR}.dylib" in staged.sizes
    assert f"lib-dynload/zlib.cpython-3{MINOR}-darwin.so" in staged.sizes
    assert "site/numpy/.dylibs/openblas.dylib" in staged.sizes
    with zipfile.ZipFile(staged.folder / f"python3{MINOR}.zip") as opened:
        assert "os.pyc" in opened.namelist()


def without(name: str) -> dict[str, bytes]:
    files = windows_python()
    del files[name]
    return files


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (None, "needs an interpreter that cannot be fetched: .* with PYTHON_ARCHIVE="),
        (
            windows_python(OTHER),
            rf"holds Python 3\.{OTHER}, and this addon is built for Python 3\.{MINOR} of windows",
        ),
        (macos_python(), rf"holds Python 3\.{MINOR}, and .* it must contain python3{MINOR}\.dll"),
        ({"README": b""}, "holds none, and this addon is built for"),
        (without(f"python3{MINOR}.zip"), "not the embeddable package"),
        (without("python3.dll"), "would lack python3.dll, which the bridge needs"),
    ],
    ids=[
        "no archive",
        "another Python",
        "another platform",
        "no Python",
        "no standard library",
        "no python3.dll",
    ],
)
def test_an_archive_that_does_not_do_is_refused(native, stage_windows, files, expected) -> None:
    with pytest.raises(native.stage.StageError) as refused:
        stage_windows(files)
    assert re.search(expected, str(refused.value))


def test_what_is_no_archive_is_named(native, tmp_path) -> None:
    (tmp_path / "python.zip").write_bytes(b"no archive")
    with pytest.raises(native.stage.StageError, match="cannot be unpacked"):
        native.wheels.unpack(tmp_path / "python.zip", tmp_path / "out")
    with pytest.raises(native.stage.StageError, match=r"there is no archive '.*nowhere'"):
        native.wheels.unpack(tmp_path / "nowhere", tmp_path / "out")


def test_a_platform_that_there_is_none_of_is_refused_with_those_there_are(native) -> None:
    with pytest.raises(LookupError, match=r"'web'.* linux-x86_64, windows-x86_64, macos-universal"):
        native.platforms.find("web")
