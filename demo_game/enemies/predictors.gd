class_name Predictors
extends RefCounted
## Puts an AdaptiveAgent under every enemy of an arena.
##
## In your own game you add the nodes in the editor. Here they are added in code, so that the
## game starts, with a notice, where the addon's library is not built yet.

const _SCRIPT := "res://demo_game/enemies/player_predictor.gd"


## Whether the addon works. Where its Python cannot start its classes are there, but idle, and
## have nothing to count.
static func are_available() -> bool:
	if not ClassDB.class_exists(&"AdaptiveAgent"):
		return false
	var statistics: Dictionary = Engine.get_singleton(&"AdaptiveAgents").call(&"get_statistics")
	return not statistics.is_empty()


## Adds a predictor to every enemy of [param arena]. Without a [param brain] they predict
## nothing, but can be recorded. What they learn goes into [param profile].
static func attach(arena: Arena, brain: Resource, profile: Resource, adapts: bool) -> void:
	var script: GDScript = load(_SCRIPT)
	for enemy in arena.enemies():
		var predictor: Node = script.new()
		predictor.name = "PlayerPredictor"
		predictor.set(&"arena", arena)
		predictor.set(&"enemy", enemy)
		predictor.set(&"brain", brain)
		predictor.set(&"profile", profile)
		predictor.call(&"set_adapting", adapts)
		enemy.predictor = predictor
		enemy.add_child(predictor)


## Loads a brain; null, with the addon's error printed, if it cannot be used.
static func load_brain(path: String) -> Resource:
	if not are_available():
		return null
	var brain: Resource = ResourceLoader.load(path, "AdaptiveBrain")
	if brain == null:
		return null
	var spec: Dictionary = brain.get(&"spec")
	return null if spec.is_empty() else brain


## Switches all enemies of [param arena] between learning the player and not.
static func set_adapting(arena: Arena, adapts: bool) -> void:
	for enemy in arena.enemies():
		if enemy.predictor != null:
			enemy.predictor.call(&"set_adapting", adapts)


## Lets the predictors of [param arena] watch, or look away.
static func set_enabled(arena: Arena, enabled: bool) -> void:
	for enemy in arena.enemies():
		if enemy.predictor != null:
			enemy.predictor.set(&"enabled", enabled)


## Tells the predictors that a round is over: what they still wait to see will not come.
static func end_episode(arena: Arena) -> void:
	for enemy in arena.enemies():
		if enemy.predictor != null:
			enemy.predictor.call(&"end_episode")
