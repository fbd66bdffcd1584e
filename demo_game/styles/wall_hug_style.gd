class_name WallHugStyle
extends PlayerStyle
## Runs along the walls, always the same way round, with a feint or a rest in between
## and its own way of taking corners.

## Walking direction along each wall, clockwise: top, right, bottom, left.
const _ALONG: Array[Vector2] = [Vector2.RIGHT, Vector2.DOWN, Vector2.LEFT, Vector2.UP]

## 1 clockwise (on screen), -1 the other way.
var sense := 1.0
## Distance from the wall.
var distance_px := 60.0
## Seconds of running on, from the last corner, before it feints or rests.
var forth_sec := 1.0
## Seconds of running back.
var back_sec := 0.4
## Seconds of standing instead of, or after, running back.
var rest_sec := 0.0
## How far from a corner it turns.
var corner_px := 60.0

var _wall := 0
var _way := 1.0
var _phase := 0
var _left_sec := 0.0


func _init(traits: RandomNumberGenerator) -> void:
	super(traits)
	sense = _draw_side(traits)
	distance_px = traits.randf_range(35.0, 120.0)
	forth_sec = _draw_log(traits, 0.45, 1.1)
	back_sec = maxf(traits.randf_range(-0.15, 0.65), 0.0)
	rest_sec = maxf(traits.randf_range(-0.3, 0.6), 0.0)
	if back_sec < 0.2 and rest_sec < 0.2:
		back_sec = 0.4
	corner_px = traits.randf_range(20.0, 140.0)


func family() -> String:
	return "wall-hug"


func _start(_arena: Arena) -> void:
	_wall = chance.randi_range(0, 3)
	_phase = 0
	_left_sec = _timed(forth_sec)


func _choose(arena: Arena) -> Vector2:
	_left_sec -= Arena.TICK_SEC
	if _left_sec <= 0.0:
		_phase = (_phase + 1) % 3
		_left_sec = _timed([forth_sec, back_sec, rest_sec][_phase])
	if _phase == 2 and rest_sec > 0.0:
		return Vector2.ZERO
	_way = -sense if _phase == 1 and back_sec > 0.0 else sense
	var along: Vector2 = _ALONG[_wall] * _way
	var place := arena.player.place
	if _room(place, along) < distance_px + corner_px:
		_wall = posmod(_wall + int(_way), 4)
		if _phase == 0:
			_left_sec = _timed(forth_sec)
		along = _ALONG[_wall] * _way
	var out := _ALONG[_wall].rotated(-PI / 2.0)
	var correction := clampf((_room(place, out) - distance_px) / 60.0, -1.0, 1.0)
	return (along + out * correction).normalized()


## How far it is to the wall in [param direction] (along an axis).
func _room(place: Vector2, direction: Vector2) -> float:
	var middle := Arena.BOUNDS.get_center()
	var half := absf(direction.dot(Arena.BOUNDS.size)) / 2.0
	return half - (place - middle).dot(direction)
