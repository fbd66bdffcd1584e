"""What a game developer finds in the engine: the classes, as the built-in help describes them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

from tests.tiny_brain import make_tiny_brain

CLASSES = ("AdaptiveAgent", "AdaptiveAgents", "AdaptiveBrain", "PlayerProfile", "SessionRecorder")

DESCRIBE = """\
extends Node

func names_of(arguments: Array) -> Array:
	return arguments.map(func(argument: Dictionary) -> String: return argument.name)

func _ready() -> void:
	var found := {}
	for type: String in JSON.parse_string(OS.get_cmdline_user_args()[0]):
		var members := {}
		for property in ClassDB.class_get_property_list(type, true):
			if property.usage & (PROPERTY_USAGE_GROUP | PROPERTY_USAGE_CATEGORY) == 0:
				members[property.name] = [type_string(property.type), property.class_name, property.usage]
		var methods := {}
		for method in ClassDB.class_get_method_list(type, true):
			methods[method.name] = names_of(method.args)
		var signals := {}
		for emitted in ClassDB.class_get_signal_list(type, true):
			signals[emitted.name] = names_of(emitted.args)
		var constants := {}
		for constant in ClassDB.class_get_integer_constant_list(type, true):
			constants[constant] = ClassDB.class_get_integer_constant_enum(type, constant, true)
		found[type] = {
			"base": ClassDB.get_parent_class(type), "members": members, "methods": methods,
			"signals": signals, "constants": constants,
		}
	print("FOUND ", JSON.stringify(found))
	get_tree().quit()
"""


def describe(make_project, run_godot):
    """What ClassDB says about our classes."""
    log = run_godot(
        ["main.tscn", "--", json.dumps(CLASSES)], project=make_project({"main.gd": DESCRIBE})
    ).stdout
    return json.loads(log.partition("FOUND ")[2].splitlines()[0])


def test_the_classes_are_what_their_help_pages_say(make_project, run_godot, root):
    found = describe(make_project, run_godot)
    for name in CLASSES:
        page = ET.parse(root / "addons" / "adaptive_agents" / "doc_classes" / f"{name}.xml").getroot()
        compare_with_page(found[name], page)


def compare_with_page(actual, page):
    """Base, members, methods, signals and constants, by name and type."""
    assert actual["base"] == page.get("inherits")
    members = {member.get("name"): member for member in page.iter("member")}
    assert set(actual["members"]) == set(members)
    for member, (kind, class_name, _usage) in actual["members"].items():
        documented = members[member].get("enum") or members[member].get("type")
        assert documented in (kind, class_name)
    accessors = {member.get(role) for member in members.values() for role in ("setter", "getter")}
    methods = {method.get("name"): method for method in page.iter("method")}
    assert set(actual["methods"]) - accessors == set(methods)
    for method, arguments in actual["methods"].items():
        if method in methods:
            assert arguments == [param.get("name") for param in methods[method].iter("param")]
    assert actual["signals"] == {
        signal.get("name"): [param.get("name") for param in signal.iter("param")]
        for signal in page.iter("signal")
    }
    assert actual["constants"] == {
        constant.get("name"): constant.get("enum") for constant in page.iter("constant")
    }


def test_what_an_agent_did_is_not_saved_with_the_scene(make_project, run_godot):
    found = describe(make_project, run_godot)
    stored, edited = 2, 4
    usage = {member: usage for member, (_, _, usage) in found["AdaptiveAgent"]["members"].items()}
    assert not any(
        usage[name] & stored for name in ("action", "category", "confidence", "loss", "observation")
    )
    assert all(usage[name] & stored and usage[name] & edited for name in ("brain", "adaptation", "horizon"))


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
