extends AdaptiveAgent
## Predicts how far the player gets while an arrow flies. One of these is under every enemy.
##
## This is all that a game has to tell the addon: what an enemy sees ([method _observe]) and
## the quantity whose change it wants to know ([method _measure]). The answer arrives in
## [member AdaptiveAgent.action].

var arena: Arena
var enemy: Enemy


func _init() -> void:
	observation_fields = PackedStringArray(Observation.FIELDS)
	target_kind = AdaptiveAgent.TARGET_VECTOR
	target = "player_displacement[2]"
	horizon = Arena.FLIGHT_TICKS
	decision_interval = Arena.DECISION_TICKS


func _ready() -> void:
	decided.connect(func(_action: PackedFloat32Array) -> void: arena.let_enemies_act_next())


func _observe() -> PackedFloat32Array:
	return Observation.of(arena, enemy)


func _measure() -> Variant:
	return arena.player.place


## Switches between learning this player and the brain as it was trained.
func set_adapting(adapts: bool) -> void:
	adaptation = AdaptiveAgent.ADAPTATION_PLAYER if adapts else AdaptiveAgent.ADAPTATION_OFF
