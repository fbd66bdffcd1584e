"""The built-in help names what the engine knows of the native classes, and says something about each."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

CLASSES = ("AdaptiveAgent", "AdaptiveAgents", "AdaptiveBrain", "PlayerProfile", "SessionRecorder")


@pytest.fixture(scope="module")
def written(root):
    """The class documentation of the addon, by class."""
    folder = root / "addons" / "adaptive_agents" / "doc_classes"
    return {file.stem: ET.parse(file).getroot() for file in folder.glob("*.xml")}


@pytest.fixture
def registered(make_project, run_godot):
    """What the engine itself writes down about the classes, by class."""
    project = make_project({})
    run_godot(["--doctool", str(project.home), "--gdextension-docs"], project=project)
    folder = project.home / "doc_classes"
    return {file.stem: ET.parse(file).getroot() for file in folder.glob("*.xml")}


def declarations(documented: ET.Element) -> set[tuple[str, ...]]:
    """Everything a class has, with its types and defaults, without the texts."""
    found = {("class", documented.get("name", ""), documented.get("inherits", ""))}
    for method in documented.findall("./methods/method"):
        parameters = tuple(f"{item.get('name')}: {item.get('type')}" for item in method.findall("param"))
        result = method.find("return").get("type")
        found.add(("method", method.get("name"), method.get("qualifiers") or "", result, *parameters))
    for member in documented.findall("./members/member"):
        found.add(("member", *(member.get(key) or "" for key in ("name", "type", "setter", "default"))))
    for signal in documented.findall("./signals/signal"):
        parameters = tuple(f"{item.get('name')}: {item.get('type')}" for item in signal.findall("param"))
        found.add(("signal", signal.get("name"), *parameters))
    for constant in documented.findall("./constants/constant"):
        found.add(("constant", *(constant.get(key) for key in ("name", "value", "enum"))))
    return found


def test_the_help_names_what_the_engine_knows(written, registered):
    assert sorted(written) == sorted(registered) == sorted(CLASSES)
    for name in CLASSES:
        assert declarations(written[name]) == declarations(registered[name])


def test_everything_is_described(written):
    silent = []
    for name, documented in written.items():
        texts = [documented.find("brief_description"), documented.find("description")]
        texts += documented.findall(".//method/description") + documented.findall(".//signal/description")
        texts += documented.findall(".//member") + documented.findall(".//constant")
        silent += [(name, text.get("name", text.tag)) for text in texts if not (text.text or "").strip()]
    assert silent == []


def test_every_class_has_an_icon(root, written):
    addon = root / "addons" / "adaptive_agents"
    assert {file.stem for file in (addon / "icons").glob("*.svg")} == set(written)
    shown = (addon / "adaptive_agents.gdextension").read_text(encoding="utf-8").partition("[icons]")[2]
    for name in ("AdaptiveAgent", "AdaptiveBrain", "PlayerProfile", "SessionRecorder"):
        assert f'{name} = "res://addons/adaptive_agents/icons/{name}.svg"' in shown
