class_name Observation
extends RefCounted
## What an enemy goes by when it predicts the player: only what a watching person could see.
##
## There is no history in it: habits show in time, so they have to be learned in play.
## Numbers are brought to about -1 to 1. What is not there (no arrow near, no hunter
## about) is zeros.

## Name and size of every part, in order.
const FIELDS: Array[String] = [
	"player_velocity[2]",
	"player_facing[2]",
	"player_position[2]",
	"since_turn_sec",
	"since_stop_or_go_sec",
	"dash_cooldown_sec",
	"danger_offset[2]",
	"danger_direction[2]",
	"danger_sec",
	"hunter_offset[2]",
	"agent_offset[2]",
	"agent_reload_sec",
]
const SIZE := 19

const _LONGEST_SEC := 1.5
const _DANGER_PX := 250.0
const _HUNTER_PX := 300.0
const _AGENT_PX := 600.0


## What [param enemy] sees now.
static func of(arena: Arena, enemy: Enemy) -> PackedFloat32Array:
	var player := arena.player
	var place := player.place
	var velocity := player.velocity / ArenaPlayer.SPEED_PX_PER_SEC
	var position := (place - Arena.BOUNDS.get_center()) * 2.0 / Arena.BOUNDS.size
	var to_hunter := Vector2.ZERO
	if arena.hunter.hunts():
		to_hunter = ((arena.hunter.place - place) / _HUNTER_PX).limit_length()
	var to_agent := (enemy.place - place) / _AGENT_PX
	var danger_offset := Vector2.ZERO
	var danger_direction := Vector2.ZERO
	var danger_sec := 0.0
	var danger := arena.nearest_danger()
	if danger != null:
		var offset := (danger.landing - place) / _DANGER_PX
		if offset.length_squared() < 1.0:
			danger_offset = offset
			danger_direction = danger.direction()
			danger_sec = danger.ticks_left * Arena.TICK_SEC
	return PackedFloat32Array(
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
			danger_offset.x,
			danger_offset.y,
			danger_direction.x,
			danger_direction.y,
			danger_sec,
			to_hunter.x,
			to_hunter.y,
			to_agent.x,
			to_agent.y,
			enemy.reload_sec,
		]
	)
