class_name MixtureStyle
extends PlayerStyle
## Has two habits: one while the hunter is about, another while it rests.

var _hunted_habit: PlayerStyle
var _calm_habit: PlayerStyle
var _active: PlayerStyle


func _init(traits: RandomNumberGenerator) -> void:
	super(traits)
	var first := traits.randi_range(0, 3)
	var second := (first + traits.randi_range(1, 3)) % 4
	_hunted_habit = _draw_habit(first, traits)
	_calm_habit = _draw_habit(second, traits)


func family() -> String:
	return "mixture"


func _start(_arena: Arena) -> void:
	for habit: PlayerStyle in [_hunted_habit, _calm_habit]:
		habit.chance = chance
		habit.timing_noise = timing_noise
		habit.heading_noise = heading_noise
	_active = null


func _choose(arena: Arena) -> Vector2:
	var wanted := _hunted_habit if arena.hunter.hunts() else _calm_habit
	if _active != wanted:
		_active = wanted
		_active._start(arena)
	return _active._choose(arena)


static func _draw_habit(family_index: int, traits: RandomNumberGenerator) -> PlayerStyle:
	match family_index:
		0:
			return StrafeStyle.new(traits)
		1:
			return StopAndGoStyle.new(traits)
		2:
			return WallHugStyle.new(traits)
	return BaitStyle.new(traits)
