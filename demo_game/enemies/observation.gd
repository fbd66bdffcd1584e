class_name Observation
extends RefCounted
## What an enemy goes by when it predicts the player: only what a watching person could see.
##
## What was there a moment ago is not in it: for that a brain has a window. Numbers are
## brought to about -1 to 1. What is not there (no arrow in the air, no hunter about) is
## zeros.

## Name and size of every part, in order.
const FIELDS: Array[String] = [
	"player_velocity[2]",
	"player_facing[2]",
	"player_position[2]",
	"since_turn_sec",
	"since_stop_or_go_sec",
	"dash_cooldown_sec",
	"next_arrow_offset[2]",
	"next_arrow_direction[2]",
	"next_arrow_sec",
	"second_arrow_offset[2]",
	"second_arrow_direction[2]",
	"second_arrow_sec",
	"hunter_offset[2]",
	"hunter_rest_sec",
	"archer_reload_sec[3]",
	"agent_offset[2]",
	"agent_reload_sec",
]

const _LONGEST_SEC := 3.0
const _ARROW_PX := 250.0
const _HUNTER_PX := 300.0
const _AGENT_PX := 600.0


## What [param enemy] sees now.
static func of(arena: Arena, enemy: Enemy) -> PackedFloat32Array:
	var player := arena.player
	var velocity := player.velocity / ArenaPlayer.SPEED_PX_PER_SEC
	var position := (player.place - Arena.BOUNDS.get_center()) * 2.0 / Arena.BOUNDS.size
	var to_agent := (enemy.place - player.place) / _AGENT_PX
	var seen := PackedFloat32Array(
		[
			velocity.x,
			velocity.y,
			player.facing.x,
			player.facing.y,
			position.x,
			position.y,
			minf(player.since_turn_sec, _LONGEST_SEC),
			minf(player.since_stop_or_go_sec, _LONGEST_SEC),
			player.dash_cooldown_sec,
		]
	)
	seen.append_array(_arrow(arena, 0))
	seen.append_array(_arrow(arena, 1))
	seen.append_array(_hunter(arena))
	for archer in arena.archers:
		seen.append(archer.reload_sec)
	seen.append_array(PackedFloat32Array([to_agent.x, to_agent.y, enemy.reload_sec]))
	return seen


## The arrow that lands first, or as the second: all fly equally long, so they land in
## the order in which they were shot.
static func _arrow(arena: Arena, index: int) -> PackedFloat32Array:
	if index >= arena.arrows.size():
		return PackedFloat32Array([0.0, 0.0, 0.0, 0.0, 0.0])
	var arrow := arena.arrows[index]
	var offset := ((arrow.landing - arena.player.place) / _ARROW_PX).limit_length()
	var direction := arrow.direction()
	var seconds := arrow.ticks_left * Arena.TICK_SEC
	return PackedFloat32Array([offset.x, offset.y, direction.x, direction.y, seconds])


static func _hunter(arena: Arena) -> PackedFloat32Array:
	var offset := Vector2.ZERO
	if arena.hunter.hunts():
		offset = ((arena.hunter.place - arena.player.place) / _HUNTER_PX).limit_length()
	return PackedFloat32Array([offset.x, offset.y, arena.hunter.reload_sec])
