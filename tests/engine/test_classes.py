"""What a game developer does with the classes: extends them, sets their properties, saves them in scenes."""

from __future__ import annotations

import json

from tests.tiny_brain import make_tiny_brain

USAGE = """\
extends Node

func _ready() -> void:
	var usage := {}
	for property in ClassDB.class_get_property_list("AdaptiveAgent", true):
		usage[property.name] = property.usage
	print("USAGE ", JSON.stringify(usage))
	get_tree().quit()
"""


def test_what_an_agent_did_is_not_saved_with_the_scene(make_project, run_godot):
    log = run_godot(["main.tscn"], project=make_project({"main.gd": USAGE})).stdout
    usage = json.loads(log.partition("USAGE ")[2].splitlines()[0])
    stored, edited = 2, 4
    assert not any(
        int(usage[name]) & stored for name in ("action", "category", "confidence", "loss", "observation")
    )
    assert all(
        int(usage[name]) & stored and int(usage[name]) & edited for name in ("brain", "adaptation", "horizon")
    )


EXTEND = """\
extends AdaptiveAgent

func _init() -> void:
	observation_fields = PackedStringArray(["speed"])
	target = "distance[1]"

func _observe() -> PackedFloat32Array:
	return PackedFloat32Array([1.0])

func _measure() -> Variant:
	return 2.0

func _ready() -> void:
	print("interval ", decision_interval, " enabled ", enabled, " brain ", brain, " action ", action)
	decision_interval = 3
	horizon = 12
	observation = PackedFloat32Array([1, 2.5])
	adaptation = AdaptiveAgent.ADAPTATION_OFF
	print("now ", [decision_interval, horizon, observation, adaptation, is_enabled(), observation_fields])
	print("is ", self is AdaptiveAgent, " ", get_class(), " ", AdaptiveAgents.seed)
	get_tree().quit()
"""


def test_a_script_extends_an_agent_and_sets_its_properties(make_project, run_godot):
    log = run_godot(["main.tscn"], project=make_project({"main.gd": EXTEND})).stdout
    assert "interval 6 enabled true brain <null> action []" in log
    assert 'now [3, 12, [1.0, 2.5], 0, true, ["speed"]]' in log
    assert "is true AdaptiveAgent 0" in log


SCENE = """\
[gd_scene load_steps=2 format=3]

[ext_resource type="AdaptiveBrain" path="res://archer.brain" id="1"]

[node name="Archer" type="AdaptiveAgent"]
brain = ExtResource("1")
decision_interval = 2
observation_fields = PackedStringArray("player_velocity[2]", "distance")
target = "player_displacement[2]"
"""
LOAD_SCENE = """\
extends Node

func _ready() -> void:
	var archer: AdaptiveAgent = load("res://archer.tscn").instantiate()
	print("loaded ", archer.brain.algorithm, " ", archer.decision_interval, " ", archer.observation_fields)
	print("same ", archer.brain == load("res://archer.brain"), " ", archer.brain.resource_path)
	print("spec ", JSON.stringify(archer.brain.spec))
	var copy := PackedScene.new()
	copy.pack(archer)
	ResourceSaver.save(copy, "user://copy.tscn")
	print("copied ", "type=\\"AdaptiveBrain\\"" in FileAccess.get_file_as_string("user://copy.tscn"))
	archer.free()
	get_tree().quit()
"""


def test_a_scene_file_keeps_an_agent_and_its_brain(make_project, run_godot):
    project = make_project({"main.gd": LOAD_SCENE, "archer.tscn": SCENE})
    make_tiny_brain(project.path / "archer.brain")
    log = run_godot(["main.tscn"], project=project).stdout
    assert 'loaded reptile 2 ["player_velocity[2]", "distance"]' in log
    assert "same true res://archer.brain" in log
    assert '"horizon_ticks":6' in log
    assert "copied true" in log


DUPLICATE = """\
extends Node

func _ready() -> void:
	var brain := load("res://archer.brain") as AdaptiveBrain
	var copy := brain.duplicate() as AdaptiveBrain
	print("copy ", copy.algorithm, " ", copy.source_path)
	copy.source_path = ""
	print("emptied ", copy.algorithm.is_empty(), " ", brain.algorithm)
	get_tree().quit()
"""


def test_a_duplicated_brain_has_the_same_content(make_project, run_godot):
    project = make_project({"main.gd": DUPLICATE})
    make_tiny_brain(project.path / "archer.brain")
    log = run_godot(["main.tscn"], project=project).stdout
    assert "copy reptile res://archer.brain" in log
    assert "emptied true reptile" in log


LITERALS = """\
extends AdaptiveAgent

func _init() -> void:
	observation_fields = PackedStringArray(["speed[2]"])
	target = "distance[1]"
	failed.connect(func(message: String) -> void: print("failed ", message))

func _ready() -> void:
	await get_tree().physics_frame
	learn([1.0, 2.0], [1.0])
	print("enabled ", enabled)
	get_tree().quit()
"""


def test_what_converts_to_an_argument_is_converted(make_project, run_godot):
    log = run_godot(["main.tscn"], project=make_project({"main.gd": LITERALS})).stdout
    assert "failed" not in log
    assert "enabled true" in log


LATE = """\
extends Node

func python() -> bool:
	var maps := FileAccess.open("/proc/self/maps", FileAccess.READ)
	while not maps.eof_reached():
		if "_multiarray_umath" in maps.get_line():
			return true
	return false

func _ready() -> void:
	var known := ClassDB.class_exists(&"AdaptiveAgent") and Engine.has_singleton("AdaptiveAgents")
	print("before ", python(), " ", known)
	AdaptiveAgents.seed = 4
	print("after ", python(), " ", AdaptiveAgents.seed)
	get_tree().quit()
"""


def test_nothing_is_imported_before_the_game_needs_it(make_project, run_godot):
    log = run_godot(["main.tscn"], project=make_project({"main.gd": LATE})).stdout
    assert "before false true" in log
    assert "after true 4" in log
