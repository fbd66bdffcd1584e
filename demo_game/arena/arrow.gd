class_name Arrow
extends RefCounted
## An arrow in flight. It lands where it was aimed, [constant Arena.FLIGHT_TICKS] after the shot.

var from := Vector2.ZERO
var landing := Vector2.ZERO
var ticks_left := 0
## Free for the game: which way of aiming the arrow counts for.
var mode := 0


## Whether the player can see yet where it will land.
func is_announced() -> bool:
	return ticks_left <= Arena.CUE_TICKS


## The part of the flight that is over, 0 to 1.
func progress() -> float:
	return 1.0 - float(ticks_left) / Arena.FLIGHT_TICKS


## The direction of flight over the ground, of length 1.
func direction() -> Vector2:
	return from.direction_to(landing)
