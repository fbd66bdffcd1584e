"""The runtime that a game takes along: whole, the same wherever it is made, enough for the addon."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import runtime_walk
from tests.runtime_walk import ADDON, BRAIN, walk_alone

pytestmark = pytest.mark.skipif(
    not list((ADDON / "bin").glob("_adaptive_agents.*")), reason="the bridge is not built: make setup"
)


@pytest.fixture(scope="module")
def native() -> Iterator[SimpleNamespace]:
    """The scripts of native/, which import each other by their bare names."""
    sys.path.insert(0, str(ADDON / "native"))
    import compiled
    import elf
    import installed
    import licences
    import pack
    import runtime_files
    import stage

    yield SimpleNamespace(
        compiled=compiled,
        elf=elf,
        installed=installed,
        licences=licences,
        pack=pack,
        runtime_files=runtime_files,
        stage=stage,
    )
    sys.path.remove(str(ADDON / "native"))


@pytest.fixture(scope="module")
def runtime(native, tmp_path_factory) -> Path:
    """A staged runtime; whoever changes it makes a copy."""
    folder = tmp_path_factory.mktemp("Spiel äöü 游戏") / "adaptive_agents.linux.x86_64"
    assert native.stage.stage(folder).fresh
    return folder


def lines(folder: Path) -> list[str]:
    return (folder / "python_home.cfg").read_text(encoding="utf-8").splitlines()


def test_what_is_imported_in_a_game_travels_along(native) -> None:
    known = {*native.runtime_files.standard_names(), *native.runtime_files.names_done_without()}
    known |= {"_frozen_importlib", "_frozen_importlib_external"}  # inside the interpreter
    assert sorted(set(walk_alone()) - known) == []


def test_a_staged_runtime_does_all_that_a_game_does_with_nothing_else(runtime, tmp_path) -> None:
    """The walk again, on the runtime's modules alone; what the interpreter imported before does not count."""
    code = (
        "import sys\n"
        f"sys.path[:] = [r'{runtime}/' + part for part in ('python311.zip', 'lib-dynload', 'site')]\n"
        f"names = {{'__name__': 'walk', '__file__': 'walk.py'}}\n"
        f"exec(open(r'{runtime_walk.__file__}', encoding='utf-8').read(), names)\n"
        f"before = set(sys.modules)\n"
        f"names['walk'](names['Path'](r'{BRAIN}'), names['Path'](r'{tmp_path}'))\n"
        "for name in set(sys.modules) - before:\n"
        "    if name.split('.')[0] in before: continue\n"
        "    path = getattr(sys.modules[name], '__file__', None)\n"
        f"    assert path is None or path.startswith((r'{runtime}', 'adaptive_agents/')), (name, path)\n"
        "import numpy as np\n"
        "np.random.default_rng(0).normal(); np.linalg.inv(np.eye(3)); np.einsum('ij->i', np.eye(2))\n"
    )
    code = code.replace("python311.zip", f"python{sys.version_info[0]}{sys.version_info[1]}.zip")
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=120)


def test_a_second_staging_finds_the_first(native, runtime) -> None:
    again = native.stage.stage(runtime)
    assert not again.fresh
    assert again.sizes["python_home.cfg"] == (runtime / "python_home.cfg").stat().st_size
    assert [entry for entry in runtime.parent.iterdir() if entry.name.startswith(".staging")] == []


def test_the_home_file_lists_every_file_and_ends_in_complete(runtime) -> None:
    listed = dict(
        reversed(line.removeprefix("file=").split(" ", 1)) for line in lines(runtime) if line[:5] == "file="
    )
    found = {
        path.relative_to(runtime).as_posix(): str(path.stat().st_size)
        for path in runtime.rglob("*")
        if path.is_file()
    }
    del found["python_home.cfg"]
    assert listed == found
    assert lines(runtime)[-1] == "complete=yes"
    assert f"python={sys.version_info[0]}.{sys.version_info[1]}" in lines(runtime)


@pytest.mark.parametrize("damage", ["truncated", "deleted", "added"])
def test_a_damaged_runtime_is_made_again(native, runtime, tmp_path, damage: str) -> None:
    folder = tmp_path / runtime.name
    shutil.copytree(runtime, folder)
    shutil.copy(f"{runtime}.stamp", f"{folder}.stamp")
    assert not native.stage.stage(folder).fresh
    (library,) = folder.glob("libpython*")
    match damage:
        case "truncated":
            library.write_bytes(library.read_bytes()[:1000])
        case "deleted":
            library.unlink()
        case "added":
            (folder / "numpy.py").write_text("raise ImportError")
    assert native.stage.stage(folder).fresh
    assert lines(folder) == lines(runtime)


def test_two_runtimes_are_the_same_to_the_byte(native, runtime, tmp_path) -> None:
    native.stage.stage(tmp_path / "other")
    names = [path.relative_to(runtime) for path in runtime.rglob("*") if path.is_file()]
    different = [
        name for name in names if (runtime / name).read_bytes() != (tmp_path / "other" / name).read_bytes()
    ]
    assert different == []


def test_nothing_in_it_names_this_machine(runtime) -> None:
    here = [str(path).encode() for path in (Path(sys.prefix), Path(sys.base_prefix), ADDON, Path.home())]
    here = [path for path in here if len(path) > len("/usr/lib")]
    for path in runtime.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert [each for each in here if each in data] == [], path


def test_nothing_in_it_is_a_resource_to_the_engine(runtime) -> None:
    suffixes = {path.suffix for path in runtime.rglob("*") if path.is_file()}
    assert suffixes <= {".so", ".pyc", ".zip", ".md", ".cfg", ".0"}


def test_our_own_package_is_in_the_zip(runtime) -> None:
    (archive,) = runtime.glob("python*.zip")
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
    ours = {path.relative_to(ADDON / "python").as_posix() + "c" for path in ADDON.glob("python/**/*.py")}
    assert ours <= set(names)


def test_every_package_is_named_with_its_terms(native, runtime) -> None:
    text = (runtime / "THIRD_PARTY.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (\w+) \S+\n\nTerms: .", text, re.MULTILINE)
    assert headings == ["Python", *native.licences.DISTRIBUTIONS]
    for words in ("PYTHON SOFTWARE FOUNDATION", "OpenBLAS", "libgfortran", "Microsoft", "Apache License"):
        assert words in text, words


def test_a_missing_package_is_named(native, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(native.runtime_files, "PACKAGES", ("numpy", "no_such_package"))
    with pytest.raises(native.stage.StageError, match="has no no_such_package, which a game needs"):
        native.stage.stage(tmp_path / "runtime")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_package_is_named_with_both_sizes(native, tmp_path, monkeypatch) -> None:
    """As pip's record has it, every file was five bytes longer."""
    recorded = native.installed.recorded
    longer = lambda name: [(path, size + 5) for path, size in recorded(name)]  # noqa: E731
    monkeypatch.setattr(native.installed, "recorded", longer)
    with pytest.raises(
        native.stage.StageError, match=r"has (\d+) bytes, and \w+ \S+ installed it with \d+: pip"
    ):
        native.stage.stage(tmp_path / "runtime")
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_a_package_lost_is_named(native, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(native.installed, "recorded", lambda _: [(str(tmp_path / "gone.so"), 5)])
    with pytest.raises(native.stage.StageError, match=r"gone\.so' of \w+ is gone: pip install"):
        native.stage.stage(tmp_path / "runtime")


def test_a_module_with_an_error_is_named(native, tmp_path) -> None:
    (tmp_path / "wrong.py").write_text("def (:")
    job = native.compiled.Job(str(tmp_path / "wrong.py"), "wrong.py", str(tmp_path / "wrong.pyc"))
    with pytest.raises(native.compiled.CompileError, match=r"wrong\.py' cannot be compiled .*line 1"):
        native.compiled.compile_all([job])


def test_a_bridge_for_another_python_is_refused_with_both_names(native, tmp_path) -> None:
    addon = tmp_path / "addon"
    (addon / "bin").mkdir(parents=True)
    (addon / "bin" / "_adaptive_agents.cpython-39-x86_64-linux-gnu.so").touch()
    with pytest.raises(native.stage.StageError, match=r"for this Python, 3\.\d+ .*cpython-39.*build\.py"):
        native.stage.stage(tmp_path / "runtime", addon=addon)


def test_a_full_disk_is_told_with_both_sizes(native, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5_000_000))
    with pytest.raises(native.stage.StageError, match=r"takes up to \d+ MB .* has 5 MB free: make room"):
        native.stage.stage(tmp_path / "runtime")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_halfway_leaves_what_was_there(native, runtime, tmp_path, monkeypatch) -> None:
    folder = tmp_path / runtime.name
    shutil.copytree(runtime, folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(native.runtime_files, "pack", full)
    with pytest.raises(native.stage.StageError, match=r"No space left on device.*make room"):
        native.stage.stage(folder)
    assert [entry.name for entry in tmp_path.iterdir()] == [folder.name]
    assert lines(folder) == lines(runtime)


def test_another_platform_is_refused_by_name(native, tmp_path, capsys) -> None:
    assert native.stage.main(["--out", str(tmp_path / "runtime"), "--platform", "amiga.m68k"]) == 1
    assert "amiga.m68k" in capsys.readouterr().err


def test_the_zip_takes_no_time_and_no_place(native, tmp_path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder / "inner").mkdir(parents=True)
        (tmp_path / folder / "inner" / "module.pyc").write_bytes(b"code")
    native.runtime_files.pack(tmp_path / "a", tmp_path / "a.zip")
    native.runtime_files.pack(tmp_path / "b", tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_library_without_its_symbol_tables_asks_for_the_same(native) -> None:
    data = native.runtime_files.libpython().read_bytes()
    trimmed = native.elf.trimmed(data)
    assert len(trimmed) <= len(data)
    assert native.elf.needed(trimmed) == native.elf.needed(data)
    assert "libc.so.6" in native.elf.needed(data)
    assert (2,) < native.elf.newest_version(data) == native.elf.newest_version(trimmed)
    assert native.elf.trimmed(b"no library") == b"no library"


@pytest.mark.slow
def test_the_archive_is_the_same_to_the_byte_and_holds_no_sources_of_ours(native, runtime, tmp_path) -> None:
    # Into one folder: what was compiled for every platform stays there, and test_cross compiles that twice.
    first = native.pack.pack(tmp_path)
    kept = first.rename(tmp_path / "first.zip")
    shutil.rmtree(tmp_path / "runtime")
    archives = [kept, native.pack.pack(tmp_path)]
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with zipfile.ZipFile(archives[0]) as archive:
        names = archive.namelist()
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert all(name.startswith("addons/adaptive_agents/") for name in names)
    inside = {name.removeprefix("addons/adaptive_agents/") for name in names}
    staged = {path.relative_to(runtime).as_posix() for path in runtime.rglob("*") if path.is_file()}
    # The bridge was compiled anew, for more than this machine.
    staged = {re.sub(r"_adaptive_agents\.\S+", "_adaptive_agents.abi3.so", name) for name in staged}
    assert {f"bin/{runtime.name}/{name}" for name in staged} <= inside
    assert {"plugin.cfg", "LICENSE", "adaptive_agents.gdextension", "editor/pytrain.gd"} <= inside
    assert not [
        name for name in inside if "__pycache__" in name or name.endswith((".py", ".c", ".h", ".import"))
    ]
    for line in (ADDON / "adaptive_agents.gdextension").read_text(encoding="utf-8").splitlines():
        path = line.partition("=")[2].strip(' "').removeprefix("res://")
        if path.endswith((".svg", ".so", ".dll", ".dylib")):
            assert path in names
    assert modes["addons/adaptive_agents/bin/libadaptive_agents.linux.x86_64.so"] & 0o111


def test_the_version_is_the_same_everywhere(native) -> None:
    project = tomllib.loads((ADDON.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert native.stage.addon_version() == project["version"]
