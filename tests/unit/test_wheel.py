"""The wheel of the studio's half: it holds both packages, and runs far from a clone of this repository."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # What the build leaves in the tree would otherwise be packed again after its source is gone.
    sources = folder / "sources"
    sources.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "pytrain", "addons"):
        (sources / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w"]
    subprocess.run([*command, folder, sources], check=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`pytrain` from the wheel, with the packages that it needs from this environment."""
    code = f"import sys, pytrain.cli as cli; assert cli.__file__.startswith({str(folder)!r}), cli.__file__\n"
    return subprocess.run(
        [sys.executable, "-c", code + "sys.exit(cli.main())", *words],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_it_holds_every_module_of_both_packages(wheel) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in (ROOT, ROOT / "addons" / "adaptive_agents" / "python"):
        package = {ROOT: "pytrain"}.get(folder, "adaptive_agents")
        sources = {path.relative_to(folder).as_posix() for path in (folder / package).rglob("*.py")}
        assert sources <= names
    assert not [name for name in names if name.startswith("tests")]
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_it_offers_the_command(installed) -> None:
    (entry_points,) = installed.glob("*.dist-info/entry_points.txt")
    assert "pytrain = pytrain.cli:main" in entry_points.read_text(encoding="utf-8")


@pytest.mark.slow
def test_it_runs_without_a_clone(installed) -> None:
    helped = run(installed, "--help")
    assert helped.returncode == 0, helped.stderr
    assert "train" in helped.stdout


@pytest.mark.slow
def test_what_needs_the_demo_game_says_so(installed, tmp_path) -> None:
    refused = run(installed, "record", "--out", str(tmp_path / "sessions"))
    assert refused.returncode == 2
    assert "a clone of Adaptive Agents" in refused.stderr
    assert "Traceback" not in refused.stderr
