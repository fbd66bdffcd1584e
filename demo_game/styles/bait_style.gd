class_name BaitStyle
extends PlayerStyle
## Teases one archer: in close, out again, a step aside, and in once more.

## What it is about to do.
enum Leg { IN, OUT, ASIDE }

## The archer it teases.
var archer_index := 0
## How close it comes, and how far it backs off, in pixels.
var near_px := 200.0
var far_px := 320.0
## The step aside: seconds, and 1 or -1 for its favourite side.
var step_sec := 0.3
var side := 1.0
## How far to its favourite side it goes before it comes back in one long step, in radians.
var roam := 0.6

var _leg := Leg.IN
var _left_sec := 0.0
var _heading := Vector2.ZERO


func _init(traits: RandomNumberGenerator) -> void:
	super(traits)
	archer_index = traits.randi_range(0, 2)
	near_px = traits.randf_range(130.0, 260.0)
	far_px = near_px + traits.randf_range(40.0, 120.0)
	step_sec = _draw_log(traits, 0.2, 0.5)
	side = _draw_side(traits)
	roam = traits.randf_range(0.25, 0.8)


func family() -> String:
	return "bait"


func _start(_arena: Arena) -> void:
	_leg = Leg.IN


func _choose(arena: Arena) -> Vector2:
	var to_archer := arena.archers[archer_index].place - arena.player.place
	var distance := to_archer.length()
	match _leg:
		Leg.IN:
			if distance < near_px:
				_leg = Leg.OUT
			return to_archer / distance
		Leg.OUT:
			if distance > far_px or _meets_wall(arena, -to_archer / distance, 10.0):
				_start_step(arena, to_archer / distance)
			return -to_archer / distance
	_left_sec -= Arena.TICK_SEC
	if _left_sec <= 0.0:
		_leg = Leg.IN
	return _heading


func _start_step(arena: Arena, to_archer: Vector2) -> void:
	_leg = Leg.ASIDE
	_left_sec = _timed(step_sec)
	var aside := to_archer.orthogonal() * side
	var middle := arena.archers[archer_index].place.direction_to(Arena.BOUNDS.get_center())
	var strayed := (-to_archer).angle_to(middle) * side
	if strayed > roam or _meets_wall(arena, aside, 60.0):
		aside = -aside
		_left_sec *= 3.0
	_heading = _roughly(aside)
