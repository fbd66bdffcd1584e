class_name MixtureStyle
extends PlayerStyle
## Has two habits and changes between them every few seconds.

## Seconds of one habit before the other takes over.
var spell_sec := 12.0

var _habits: Array[PlayerStyle] = []
var _active := 0
var _left_sec := 0.0


func _init(traits: RandomNumberGenerator) -> void:
	super(traits)
	spell_sec = traits.randf_range(8.0, 16.0)
	var first := traits.randi_range(0, 3)
	var second := (first + traits.randi_range(1, 3)) % 4
	for family_index: int in [first, second]:
		_habits.append(_draw_habit(family_index, traits))


func family() -> String:
	return "mixture"


func _start(arena: Arena) -> void:
	for habit in _habits:
		habit.chance = chance
		habit.timing_noise = timing_noise
		habit.heading_noise = heading_noise
	_active = 0
	_left_sec = _timed(spell_sec)
	_habits[_active]._start(arena)


func _choose(arena: Arena) -> Vector2:
	_left_sec -= Arena.TICK_SEC
	if _left_sec <= 0.0:
		_active = 1 - _active
		_left_sec = _timed(spell_sec)
		_habits[_active]._start(arena)
	return _habits[_active]._choose(arena)


static func _draw_habit(family_index: int, traits: RandomNumberGenerator) -> PlayerStyle:
	match family_index:
		0:
			return StrafeStyle.new(traits)
		1:
			return StopAndGoStyle.new(traits)
		2:
			return WallHugStyle.new(traits)
	return BaitStyle.new(traits)
