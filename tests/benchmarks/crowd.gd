extends SceneTree
## What the addon costs the main thread: a crowd of agents that share a brain and a player, in
## real time. First nobody adapts, then everybody does; every tick's cost goes into the results.
## [codeblock]
## godot --headless --path . --script tests/benchmarks/crowd.gd -- \
##     agents=100 seconds=12 brain=archer.brain results=ticks.json
## [/codeblock]
## The agents observe and measure in GDScript, as a game's would; their arithmetic is kept to a
## minimum, because it is the game's and not the addon's.

const WARM_UP_TICKS := 120
const PROGRESS_EVERY_TICKS := 60

var _agents := 100
var _ticks := 0
var _brain_path := ""
var _results_path := ""
var _crowd: Array[CrowdAgent] = []
var _tick := -WARM_UP_TICKS
var _tick_usec: Dictionary[String, PackedFloat64Array] = {"off": [], "player": []}
var _phase := "off"


func _initialize() -> void:
	for word in OS.get_cmdline_user_args():
		var value := word.substr(word.find("=") + 1)
		match word.get_slice("=", 0):
			"agents":
				_agents = value.to_int()
			"seconds":
				_ticks = value.to_int() * Engine.physics_ticks_per_second
			"brain":
				_brain_path = value
			"results":
				_results_path = value
	Engine.max_fps = Engine.physics_ticks_per_second
	var brain := load(_brain_path) as AdaptiveBrain
	# Where the addon is switched off its classes are there, but a brain is empty.
	if brain == null or brain.spec.is_empty():
		printerr("crowd: brain '%s' cannot be used; the errors above say why" % _brain_path)
		quit(2)
		return
	for number in _agents:
		var agent := CrowdAgent.new(brain, number)
		_crowd.append(agent)
		root.add_child(agent)


func _physics_process(_delta: float) -> bool:
	_tick += 1
	if _tick > 0:
		var cost: float = AdaptiveAgents.get_statistics()["tick_usec_last"]
		_tick_usec[_phase].append(cost)
	elif _tick == 0:
		AdaptiveAgents.reset_statistics()
	if _tick > 0 and _tick % PROGRESS_EVERY_TICKS == 0:
		print("PROGRESS %d %d" % [_tick + (0 if _phase == "off" else _ticks), 2 * _ticks])
	if _tick < _ticks:
		return false
	if _phase == "off":
		_begin_to_adapt()
		return false
	_write_results()
	return true


func _begin_to_adapt() -> void:
	_phase = "player"
	_tick = -WARM_UP_TICKS
	for agent in _crowd:
		agent.adaptation = AdaptiveAgent.ADAPTATION_PLAYER


func _write_results() -> void:
	var statistics: Dictionary = AdaptiveAgents.get_statistics()
	var results := {
		"agents": _agents,
		"tick_usec": _tick_usec["player"],
		"tick_usec_without_adaptation": _tick_usec["off"],
		"adaptations": statistics["adaptations"],
		"runs": statistics["runs"],
	}
	var file := FileAccess.open(_results_path, FileAccess.WRITE)
	if file == null:
		printerr("crowd: cannot write '%s'" % _results_path)
		quit(2)
		return
	file.store_string(JSON.stringify(results))


class CrowdAgent:
	extends AdaptiveAgent

	var _values := PackedFloat32Array()
	var _turn := 0.0

	func _init(shared_brain: AdaptiveBrain, number: int) -> void:
		brain = shared_brain
		adaptation = ADAPTATION_OFF
		_turn = number
		for field: String in shared_brain.spec["observation"]:
			var size := field.get_slice("[", 1).to_int() if "[" in field else 1
			_values.resize(_values.size() + size)

	func _observe() -> PackedFloat32Array:
		_turn += 0.1
		_values[0] = sin(_turn)
		return _values

	func _measure() -> Variant:
		return Vector2(100.0 * cos(_turn), 50.0 * sin(_turn))
