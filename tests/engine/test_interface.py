"""The declarations that the native part is compiled with: Godot 4.4's, and still true of this engine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine

VENDORED = Path(__file__).resolve().parents[2] / "addons/adaptive_agents/native/gdextension_interface.h"


def declared(header: str) -> dict[str, str]:
    """Every type by its name, without comments and spaces."""
    source = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    types = re.findall(r"typedef (?:(?:struct|enum) \{.*?\} \w+|[^;{]+);", source, re.DOTALL)
    return {
        re.findall(r"\(\*(\w+)\)|(\w+);$", text)[0][0] or text.split()[-1][:-1]: re.sub(r"\s+", " ", text)
        for text in types
    }


def test_what_we_compile_against_is_what_the_engine_has(godot, tmp_path):
    command = [godot, "--headless", "--dump-gdextension-interface"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    engines = declared((tmp_path / "gdextension_interface.h").read_text(encoding="utf-8"))
    ours = declared(VENDORED.read_text(encoding="utf-8"))
    assert len(ours) > 200
    grown = {
        "GDExtensionClassMethodFlags",
        "GDExtensionClassMethodArgumentMetadata",
    }  # a value each since 4.4
    assert {
        name: text for name, text in ours.items() if name not in grown and engines.get(name) != text
    } == {}
    for name in grown:
        values = re.findall(r"GDEXTENSION_\w+ = \d+", ours[name])
        assert values
        assert [value for value in values if value not in engines[name]] == []


def test_nothing_newer_than_4_4_is_in_them():
    since = {
        float(version) for version in re.findall(r"@since (\d+\.\d+)", VENDORED.read_text(encoding="utf-8"))
    }
    assert max(since) == 4.4
