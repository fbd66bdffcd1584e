class_name Hunter
extends Enemy
## Slower than the player, so chasing is hopeless: it runs to where the player will be.

const SPEED_PX_PER_SEC := 150.0
const CATCH_PX := 34.0
const REST_SEC := 3.0
const REBOUND_PX := 150.0

var velocity := Vector2.ZERO


## Starts in a corner.
func begin(arena: Arena) -> void:
	place = Arena.BOUNDS.position + Vector2(90.0, 90.0)
	if arena.luck.randf() < 0.5:
		place.x = Arena.BOUNDS.end.x - 90.0
	velocity = Vector2.ZERO
	reload_sec = 1.0


## Whether it is after the player; false while it rests.
func hunts() -> bool:
	return reload_sec <= 0.0


## Cuts off the player's way; after a catch it bounces back and rests.
func advance(arena: Arena) -> void:
	if reload_sec > 0.0:
		reload_sec = maxf(reload_sec - Arena.TICK_SEC, 0.0)
		velocity *= 0.92
	else:
		if arena.is_acting_tick():
			var goal := arena.player.place + expected_displacement(arena)
			velocity = place.direction_to(goal) * SPEED_PX_PER_SEC
		if place.distance_squared_to(arena.player.place) < CATCH_PX * CATCH_PX:
			arena.score.catches += 1
			reload_sec = REST_SEC
			velocity = arena.player.place.direction_to(place) * REBOUND_PX * 5.0
			arena.player_caught.emit(place)
	place = (place + velocity * Arena.TICK_SEC).clamp(Arena.BOUNDS.position, Arena.BOUNDS.end)
