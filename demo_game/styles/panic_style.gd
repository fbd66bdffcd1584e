class_name PanicStyle
extends PlayerStyle
## Stands its ground, sidesteps now and then, and dashes off when an arrow comes near;
## then it strolls back.

## How long it stands before it steps aside.
var patience_sec := 0.8
## The sidestep, in pixels.
var step := Vector2.ZERO
## How long it gathers itself after a dash.
var settle_sec := 0.3

var _home := Vector2.ZERO
var _goal := Vector2.ZERO
var _stood_sec := 0.0
var _settle_left_sec := 0.0


func _init(traits: RandomNumberGenerator) -> void:
	super(traits)
	patience_sec = _draw_log(traits, 0.4, 1.3)
	step = Vector2.from_angle(traits.randf() * TAU) * traits.randf_range(50.0, 150.0)
	settle_sec = traits.randf_range(0.0, 0.6)
	var offset := Vector2(traits.randf_range(-0.28, 0.28), traits.randf_range(-0.22, 0.22))
	_home = Arena.BOUNDS.get_center() + offset * Arena.BOUNDS.size
	nerves = PanicReflex.new(traits, 120.0, 230.0)


func family() -> String:
	return "panic"


func _start(_arena: Arena) -> void:
	_goal = _home
	_stood_sec = 0.0


func _choose(arena: Arena) -> Vector2:
	if nerves.is_acting():
		_settle_left_sec = _timed(settle_sec)
		_goal = _home
	if _settle_left_sec > 0.0:
		_settle_left_sec -= Arena.TICK_SEC
		return Vector2.ZERO
	var way := _goal - arena.player.place
	if way.length_squared() > 28.0 * 28.0:
		_stood_sec = 0.0
		return way.normalized()
	_stood_sec += Arena.TICK_SEC
	if _stood_sec > patience_sec:
		_stood_sec = patience_sec - _timed(patience_sec)
		_goal = _home + step if _goal == _home else _home
	return Vector2.ZERO
