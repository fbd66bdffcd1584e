class_name PanicReflex
extends RefCounted
## What a player does when an arrow's landing spot shows up nearby: dash off, always at
## about the same angle to the arrow's flight.

## An arrow announced nearer than this is fled.
var trigger_px := 160.0
## Direction of the dash against the arrow's flight, in radians; the sign is the favourite side.
var angle := 1.5
## How long the player keeps running after the dash began.
var follow_through_sec := 0.3
## How long after a dash the player keeps cool.
var composure_sec := 1.0
## Where it dashes to now.
var heading := Vector2.ZERO

var _left_sec := 0.0
var _cool_left_sec := 0.0


func _init(traits: RandomNumberGenerator, calm_px: float, jumpy_px: float) -> void:
	trigger_px = traits.randf_range(calm_px, jumpy_px)
	angle = deg_to_rad(traits.randf_range(35.0, 145.0)) * (1.0 if traits.randf() < 0.5 else -1.0)
	follow_through_sec = traits.randf_range(0.18, 0.45)


## Looks at the announced arrows; true in the tick in which a dash starts.
func watch(arena: Arena, chance: RandomNumberGenerator) -> bool:
	_left_sec = maxf(_left_sec - Arena.TICK_SEC, 0.0)
	_cool_left_sec = maxf(_cool_left_sec - Arena.TICK_SEC, 0.0)
	if _cool_left_sec > 0.0:
		return false
	for arrow in arena.arrows:
		if arrow.ticks_left == Arena.CUE_TICKS:
			var place := arena.player.place
			if arrow.landing.distance_squared_to(place) < trigger_px * trigger_px:
				heading = arrow.direction().rotated(angle + chance.randfn(0.0, 0.08))
				_left_sec = follow_through_sec
				_cool_left_sec = composure_sec
				return true
	return false


## Whether it decides now where the player goes.
func is_acting() -> bool:
	return _left_sec > 0.0
