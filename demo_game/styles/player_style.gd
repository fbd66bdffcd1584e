class_name PlayerStyle
extends PlayerControl
## A scripted player with habits, standing in for a person where none plays.
##
## What a player of this style does again and again is fixed by parameters drawn once
## from [param traits] in [code]_init[/code]. Rhythm and aim wobble from time to time, attention
## lapses, and everything reaches the body only after the reaction time.

## Nearer than this counts as at the wall.
const _ROOM_AT_WALL_PX := 40.0
const _SHY_OF_HUNTER_PX := 62.0

## Seconds from seeing to acting.
var reaction_sec := 0.15
## Spread of every duration, as a part of it.
var timing_noise := 0.04
## Spread of every direction, in radians.
var heading_noise := 0.04
## Lapses of attention per second: for a moment the player walks anywhere.
var lapses_per_sec := 0.03
## How strongly a near hunter bends the way, 0 to 1.
var shyness := 0.5
## How this player dodges announced arrows; null for one who does not.
var nerves: PanicReflex = null

## What play leaves to chance.
var chance := RandomNumberGenerator.new()

var _lapse_left_sec := 0.0
var _lapse_wish := Vector2.ZERO
var _delayed_wishes := PackedVector2Array()
var _delayed_dashes := PackedByteArray()
var _delay_slot := 0


func _init(traits: RandomNumberGenerator) -> void:
	reaction_sec = traits.randf_range(0.10, 0.25)
	timing_noise = traits.randf_range(0.02, 0.06)
	heading_noise = traits.randf_range(0.02, 0.06)
	lapses_per_sec = traits.randf_range(0.01, 0.05)
	shyness = traits.randf_range(0.2, 0.8)
	var has_nerves := traits.randf() < 0.2
	var reflex := PanicReflex.new(traits, 60.0, 120.0)
	if has_nerves:
		nerves = reflex
		nerves.composure_sec = 3.0


## The name of the family the style belongs to.
func family() -> String:
	return ""


## Override: called when a round starts; [member chance] is ready.
func _start(_arena: Arena) -> void:
	pass


## Override: the direction to walk in now, length 0 to 1.
func _choose(_arena: Arena) -> Vector2:
	return Vector2.ZERO


func begin(arena: Arena) -> void:
	var delay := maxi(roundi(reaction_sec / Arena.TICK_SEC), 1)
	_delayed_wishes.resize(delay)
	_delayed_wishes.fill(Vector2.ZERO)
	_delayed_dashes.resize(delay)
	_delayed_dashes.fill(0)
	_delay_slot = 0
	_start(arena)


func steer(arena: Arena) -> void:
	var wish := _choose(arena)
	var dash := 0
	if _lapse_left_sec > 0.0:
		_lapse_left_sec -= Arena.TICK_SEC
		wish = _lapse_wish
	elif chance.randf() < lapses_per_sec * Arena.TICK_SEC:
		_lapse_left_sec = chance.randf_range(0.2, 0.5)
		_lapse_wish = Vector2.from_angle(chance.randf() * TAU)
	if arena.hunter.hunts():
		var away := arena.player.place - arena.hunter.place
		var near := 1.0 - away.length_squared() / (_SHY_OF_HUNTER_PX * _SHY_OF_HUNTER_PX)
		if near > 0.0:
			wish = (wish + away.normalized() * (shyness * 2.0 * near)).limit_length()
	if nerves != null:
		var start := nerves.watch(arena, chance)
		if nerves.is_acting():
			wish = nerves.heading
			dash = 1 if start else 0
	var player := arena.player
	player.wish = _delayed_wishes[_delay_slot]
	player.wants_dash = _delayed_dashes[_delay_slot] == 1
	_delayed_wishes[_delay_slot] = wish
	_delayed_dashes[_delay_slot] = dash
	_delay_slot = (_delay_slot + 1) % _delayed_wishes.size()


## [param seconds] as this player times it: right on average, wobbling a little.
func _timed(seconds: float) -> float:
	return seconds * exp(chance.randfn(0.0, timing_noise))


## [param direction], a little off.
func _roughly(direction: Vector2) -> Vector2:
	return direction.rotated(chance.randfn(0.0, heading_noise))


## Whether walking on in [param direction] for [param ahead_px] ends near a wall.
func _meets_wall(arena: Arena, direction: Vector2, ahead_px: float) -> bool:
	var there := arena.player.place + direction * ahead_px
	var room := Arena.BOUNDS.grow(-_ROOM_AT_WALL_PX)
	return (there - there.clamp(room.position, room.end)).dot(direction) > 0.0


## A number between [param low] and [param high], as often below as above their geometric mean.
static func _draw_log(traits: RandomNumberGenerator, low: float, high: float) -> float:
	return exp(traits.randf_range(log(low), log(high)))


## One of -1 and 1.
static func _draw_side(traits: RandomNumberGenerator) -> float:
	return 1.0 if traits.randf() < 0.5 else -1.0
