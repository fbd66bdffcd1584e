class_name OrbitStyle
extends PlayerStyle
## Circles around a spot and reverses now and then. Kept out of training:
## the population [code]unseen-family[/code] consists of these players.

var radius_px := 120.0
## 1 clockwise (on screen), -1 the other way: where it starts, and its longer leg.
var sense := 1.0
## Seconds in the favourite sense, and in the other.
var forth_sec := 1.6
var back_sec := 0.8

var _centre := Vector2.ZERO
var _way := 1.0
var _left_sec := 0.0


func _init(traits: RandomNumberGenerator) -> void:
	super(traits)
	radius_px = traits.randf_range(65.0, 180.0)
	sense = _draw_side(traits)
	forth_sec = _draw_log(traits, 0.7, 2.4)
	back_sec = _draw_log(traits, 0.4, 1.4)
	var offset := Vector2(traits.randf_range(-0.25, 0.25), traits.randf_range(-0.1, 0.1))
	_centre = Arena.BOUNDS.get_center() + offset * Arena.BOUNDS.size


func family() -> String:
	return "orbit"


func _start(_arena: Arena) -> void:
	_way = sense
	_left_sec = _timed(forth_sec)


func _choose(arena: Arena) -> Vector2:
	_left_sec -= Arena.TICK_SEC
	if _left_sec <= 0.0:
		_way = -_way
		_left_sec = _timed(forth_sec if _way == sense else back_sec)
	var outward := arena.player.place - _centre
	var distance := maxf(outward.length(), 1.0)
	outward /= distance
	var correction := clampf((radius_px - distance) / 50.0, -1.0, 1.0)
	return (-outward.orthogonal() * _way + outward * correction).normalized()
