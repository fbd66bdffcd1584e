class_name Enemy
extends Node
## An archer or the hunter: has a place, and a predictor of what the player will do.
##
## The predictor is the child node that makes the enemy adaptive (see
## [code]player_predictor.gd[/code]). Without the addon there is none, and the enemy
## falls back to leading in a straight line.

var place := Vector2.ZERO
## Seconds until it can act (shoot, or hunt again).
var reload_sec := 0.0
## The [code]AdaptiveAgent[/code] under this enemy; null without the addon.
var predictor: Node = null


## How far this enemy expects the player to get while an arrow flies, in pixels.
func expected_displacement(arena: Arena) -> Vector2:
	match arena.aim:
		Arena.Aim.NONE:
			return Vector2.ZERO
		Arena.Aim.BRAIN when predictor != null:
			var action: PackedFloat32Array = predictor.get(&"action")
			return Vector2(action[0], action[1]) if action.size() == 2 else Vector2.ZERO
	return straight_line(arena.player)


## What the present velocity alone promises; a dash is not taken to go on for ever.
static func straight_line(player: ArenaPlayer) -> Vector2:
	const FLIGHT_SEC := Arena.FLIGHT_TICKS * Arena.TICK_SEC
	return player.velocity.limit_length(ArenaPlayer.SPEED_PX_PER_SEC) * FLIGHT_SEC
