class_name StopAndGoStyle
extends PlayerStyle
## Runs, stands, turns by its usual angle, runs again.

var run_sec := 0.5
var pause_sec := 0.4
## Turn from one run to the next, in radians; the sign is the favourite side.
var turn := 1.0
## How often it turns to the other side instead.
var other_side_rate := 0.03

var _runs := false
var _left_sec := 0.0
var _heading := Vector2.RIGHT


func _init(traits: RandomNumberGenerator) -> void:
	super(traits)
	run_sec = _draw_log(traits, 0.25, 0.7)
	pause_sec = _draw_log(traits, 0.18, 0.6)
	turn = deg_to_rad(traits.randf_range(45.0, 165.0)) * _draw_side(traits)
	other_side_rate = traits.randf_range(0.0, 0.06)


func family() -> String:
	return "stop-and-go"


func _start(_arena: Arena) -> void:
	_runs = false
	_left_sec = _timed(pause_sec)
	_heading = Vector2.from_angle(chance.randf() * TAU)


func _choose(arena: Arena) -> Vector2:
	_left_sec -= Arena.TICK_SEC
	if _left_sec <= 0.0:
		_runs = not _runs
		_left_sec = _timed(run_sec if _runs else pause_sec)
		if _runs:
			_turn(arena)
	return _heading if _runs else Vector2.ZERO


func _turn(arena: Arena) -> void:
	var angle := -turn if chance.randf() < other_side_rate else turn
	var run_px := run_sec * ArenaPlayer.SPEED_PX_PER_SEC
	for _attempt in 6:
		_heading = _heading.rotated(angle)
		if not _meets_wall(arena, _heading, run_px):
			break
	_heading = _roughly(_heading)
