"""The addon in the editor: it loads, warns beside the nodes, and runs no agent."""

from __future__ import annotations

import json

from tests.tiny_brain import make_tiny_brain

SCENE = """\
[gd_scene load_steps=2 format=3]

[ext_resource type="AdaptiveBrain" path="res://archer.brain" id="1"]

[node name="Arena" type="Node"]

[node name="Good" type="AdaptiveAgent" parent="."]
brain = ExtResource("1")

[node name="Bare" type="AdaptiveAgent" parent="."]

[node name="Wrong" type="AdaptiveAgent" parent="."]
brain = ExtResource("1")
adaptation = 2
observation_fields = PackedStringArray("distance")

[node name="SessionRecorder" type="SessionRecorder" parent="."]
"""
WATCH = """\
@tool
extends EditorPlugin
## Opens a scene with agents in the editor, reads what the scene tree shows beside them, and ends.

func _enter_tree() -> void:
	look.call_deferred()

func look() -> void:
	EditorInterface.open_scene_from_path("res://arena.tscn")
	for i in 60:
		await get_tree().physics_frame
	var trees := EditorInterface.get_base_control().find_children("*", "SceneTreeEditor", true, false)
	var shown := {}
	for editor in trees:
		for tree: Tree in editor.find_children("*", "Tree", true, false):
			read(tree.get_root(), shown)
	print("SHOWN ", JSON.stringify(shown))
	var agent: AdaptiveAgent = EditorInterface.get_edited_scene_root().get_node("Good")
	print("idle ", agent.action.is_empty(), " ", AdaptiveAgents.get_statistics().agents)
	get_tree().quit()

func read(item: TreeItem, shown: Dictionary) -> void:
	if item == null:
		return
	for button in item.get_button_count(0):
		var text := item.get_button_tooltip_text(0, button)
		shown[item.get_text(0)] = shown.get(item.get_text(0), "") + text
	for child in item.get_children():
		read(child, shown)
"""
PLUGIN = '[plugin]\n\nname="watch"\ndescription=""\nauthor=""\nversion="1"\nscript="watch.gd"\n'


def test_agents_warn_in_the_scene_tree_and_do_not_run_in_the_editor(make_project, run_godot):
    project = make_project(
        {"arena.tscn": SCENE, "addons/watch/watch.gd": WATCH, "addons/watch/plugin.cfg": PLUGIN}
    )
    make_tiny_brain(project.path / "archer.brain")
    with (project.path / "project.godot").open("a") as settings:
        settings.write('\n[editor_plugins]\n\nenabled=PackedStringArray("res://addons/watch/plugin.cfg")\n')
    log = run_godot(["--editor"], project=project).stdout
    shown = json.loads(log.partition("SHOWN ")[2].splitlines()[0])
    assert "Good" not in {name for name, text in shown.items() if "brain" in text}
    assert "Without a brain and without observation_fields" in shown["Bare"]
    assert "Individual adaptation comes with the next version" in shown["Wrong"]
    assert "expects player_velocity[2] as observation field 1" in " ".join(shown["Wrong"].split())
    assert "idle true 0" in log
