"""The examples in the README and in the built-in help run as they are printed."""

from __future__ import annotations

import html
import re
import textwrap

import pytest

SCENE = """\
[gd_scene load_steps=2 format=3]

[ext_resource type="Script" path="res://agent.gd" id="1"]

[node name="Arena" type="Node2D"]

[node name="Player" type="CharacterBody2D" parent="."]
velocity = Vector2(60, 0)

[node name="Enemy" type="Node2D" parent="."]
position = Vector2(-300, 0)

[node name="Agent" type="AdaptiveAgent" parent="Enemy" node_paths=PackedStringArray("enemy", "player")]
script = ExtResource("1")
enemy = NodePath("..")
player = NodePath("../../Player")
observation_fields = PackedStringArray("to_player[2]", "player_velocity[2]")
target = "player_displacement[2]"

[node name="SessionRecorder" type="SessionRecorder" parent="."]
"""


def readme_agent(root):
    blocks = re.findall(
        r"^```gdscript\n(.*?)^```", (root / "README.md").read_text(encoding="utf-8"), re.M | re.S
    )
    return next(block for block in blocks if "extends AdaptiveAgent" in block)


def help_agent(root):
    page = (root / "addons/adaptive_agents/doc_classes/AdaptiveAgent.xml").read_text(encoding="utf-8")
    block = re.search(r"\[codeblock\]\n(.*?)\[/codeblock\]", page, re.S).group(1)
    return textwrap.dedent(html.unescape(block))


@pytest.mark.parametrize("example", [readme_agent, help_agent])
def test_the_example_of_an_agent_is_recorded_as_it_stands(example, root, make_project, run_godot):
    project = make_project({"agent.gd": example(root), "agent.tscn": SCENE})
    run_godot(["--fixed-fps", "60", "--quit-after", "120", "agent.tscn"], project=project)
    recorded = list((project.user_folder / "sessions").glob("*.session"))
    assert [file.stat().st_size > 500 for file in recorded] == [True]
