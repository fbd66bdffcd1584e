class_name ArenaPlayer
extends RefCounted
## The player's body: walks, dashes, and is stopped by walls.
##
## A [PlayerControl] sets [member wish] and [member wants_dash]; everything else follows.
## Enemies see all that a watching person could: place, velocity, facing, and how
## long ago the player turned or stopped.

const RADIUS_PX := 15.0
const SPEED_PX_PER_SEC := 270.0
const ACCELERATION := 3000.0
const DASH_SPEED := 820.0
const DASH_SEC := 0.15
const DASH_COOLDOWN_SEC := 0.9
## A change of direction beyond 30 degrees counts as a turn.
const TURN_COSINE := 0.866

## The direction to walk in, length 0 to 1.
var wish := Vector2.ZERO
## Set for one tick to dash in the direction of [member wish] (or [member facing]).
var wants_dash := false

var place := Vector2.ZERO
## In pixels per second.
var velocity := Vector2.ZERO
## The direction last walked in, of length 1; kept while standing.
var facing := Vector2.RIGHT
var since_turn_sec := 0.0
var since_stop_or_go_sec := 0.0
## Seconds until the next dash is possible, 0 when it is.
var dash_cooldown_sec := 0.0
## Seconds of dashing left, 0 when not dashing.
var dash_left_sec := 0.0

var _walks := false


## Moves on by one tick, inside [param bounds].
func advance(bounds: Rect2) -> void:
	const TICK := Arena.TICK_SEC
	since_turn_sec += TICK
	since_stop_or_go_sec += TICK
	dash_cooldown_sec = maxf(dash_cooldown_sec - TICK, 0.0)
	var walks := wish.length_squared() > 0.04
	if walks:
		var direction := wish.normalized()
		if direction.dot(facing) < TURN_COSINE:
			since_turn_sec = 0.0
			facing = direction
	if walks != _walks:
		_walks = walks
		since_stop_or_go_sec = 0.0
	if wants_dash and dash_cooldown_sec <= 0.0:
		dash_cooldown_sec = DASH_COOLDOWN_SEC
		dash_left_sec = DASH_SEC
		velocity = (wish.normalized() if walks else facing) * DASH_SPEED
	wants_dash = false
	if dash_left_sec > 0.0:
		dash_left_sec -= TICK
		if dash_left_sec <= 0.0:
			velocity = velocity.limit_length(SPEED_PX_PER_SEC)
	else:
		velocity = velocity.move_toward(wish * SPEED_PX_PER_SEC, ACCELERATION * TICK)
	var free := place + velocity * TICK
	var low := bounds.position + Vector2(RADIUS_PX, RADIUS_PX)
	var high := bounds.end - Vector2(RADIUS_PX, RADIUS_PX)
	place = free.clamp(low, high)
	if place != free:
		velocity = (place - free + velocity * TICK) / TICK
