"""GDScript that several engine tests build on."""

from __future__ import annotations

ARCHER = """\
class_name Archer
extends AdaptiveAgent
## Sees a point that runs in a circle, and measures where it is.

var time := 0.0

func _physics_process(_delta: float) -> void:
	time += 0.3

func _observe() -> PackedFloat32Array:
	return PackedFloat32Array([cos(time), sin(time), 1.0])

func _measure() -> Variant:
	return Vector2(sin(time), -cos(time))
"""


def main(body: str, *, extra: str = "") -> str:
    """A scene script whose `_ready` is `body`; it ends the run afterwards. `archer(name)` adds an Archer."""
    indented = "\n".join(f"\t{line}" if line else "" for line in body.strip("\n").splitlines())
    return f"""\
extends Node

const ArcherScript := preload("res://archer.gd")

func archer(called: String, path := "res://archer.brain") -> AdaptiveAgent:
	var made: AdaptiveAgent = ArcherScript.new()
	made.name = called
	if path:
		made.brain = load(path)
	made.decision_interval = 1
	made.failed.connect(func(message: String) -> void: print(called, " failed: ", message))
	add_child(made)
	return made

func ticks(count: int) -> void:
	for i in count:
		await get_tree().physics_frame
{extra}
func _ready() -> void:
{indented}
	get_tree().quit()
"""


def record(directory: str = "user://sessions") -> str:
    """Lines that add a recorder for the player Ann, which prints `saved PATH`."""
    return f"""
var recorder := SessionRecorder.new()
recorder.player_id = "Ann"
recorder.seed = 5
recorder.directory = "{directory}"
recorder.session_saved.connect(func(path: String) -> void: print("saved ", path))
add_child(recorder)
"""
