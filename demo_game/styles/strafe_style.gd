class_name StrafeStyle
extends PlayerStyle
## Runs to and fro along one line, longer or with a rest on its favourite side.

const _ALONG := 0
const _REST_ALONG := 1
const _AGAINST := 2
const _REST_AGAINST := 3
## It runs towards a point so far from its home.
const _REACH_PX := 400.0

var axis := Vector2.RIGHT
## Seconds of each leg: along the axis, rest, against it, rest.
var leg_sec := PackedFloat64Array()
## How far the favourite side may carry the player off before it runs back in one go.
var leash_px := 200.0
## Where it stays around.
var home := Vector2.ZERO

var _leg := _ALONG
var _leg_left_sec := 0.0
var _heading := Vector2.ZERO


func _init(traits: RandomNumberGenerator) -> void:
	super(traits)
	axis = Vector2.from_angle(traits.randf() * TAU)
	leg_sec = PackedFloat64Array([0.0, 0.0, 0.0, 0.0])
	leg_sec[_ALONG] = _draw_log(traits, 0.26, 0.75)
	leg_sec[_AGAINST] = _draw_log(traits, 0.26, 0.75)
	leg_sec[_REST_ALONG] = maxf(traits.randf_range(-0.3, 0.4), 0.0)
	leg_sec[_REST_AGAINST] = maxf(traits.randf_range(-0.3, 0.4), 0.0)
	leash_px = traits.randf_range(110.0, 200.0)
	var offset := Vector2(traits.randf_range(-0.25, 0.25), traits.randf_range(-0.12, 0.12))
	home = Arena.BOUNDS.get_center() + offset * Arena.BOUNDS.size


func family() -> String:
	return "strafe"


func _start(_arena: Arena) -> void:
	_leg = chance.randi_range(0, 3)
	_leg_left_sec = 0.0


func _choose(arena: Arena) -> Vector2:
	_leg_left_sec -= Arena.TICK_SEC
	if _leg_left_sec > 0.0 and not (_walks() and _meets_wall(arena, _heading, 10.0)):
		return _heading
	_leg = (_leg + 1) % 4
	if leg_sec[_leg] <= 0.0:
		_leg = (_leg + 1) % 4
	_leg_left_sec = _timed(leg_sec[_leg])
	if not _walks():
		_heading = Vector2.ZERO
		return _heading
	var along := axis if _leg == _ALONG else -axis
	var place := arena.player.place
	var strayed := (place - home).dot(-along)
	if strayed > leash_px:
		_leg_left_sec = strayed / ArenaPlayer.SPEED_PX_PER_SEC
	_heading = _roughly(place.direction_to(home + along * _REACH_PX))
	return _heading


func _walks() -> bool:
	return _leg == _ALONG or _leg == _AGAINST
