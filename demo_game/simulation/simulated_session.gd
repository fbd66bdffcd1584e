class_name SimulatedSession
extends Node
## One scripted player in one arena, from start to end of its session.

static var _brain: Resource = null

var _options: SimulationOptions
var _number := 0
var _arena := Arena.new()
var _profile: Resource = null
var _recorder: Node = null


func _init(options: SimulationOptions, number: int) -> void:
	_options = options
	_number = number


## Prepares what all sessions share, once, before any of them starts.
## Returns what is wrong, or nothing.
static func prepare(options: SimulationOptions) -> String:
	var needs_addon := options.aim == Arena.Aim.BRAIN or not options.record.is_empty()
	if not needs_addon:
		return ""
	if not Predictors.are_available():
		return "this needs the addon's library, which is not loaded; run `make` once to build it"
	# The clock runs faster than real time here: adaptation must keep up with it.
	var adaptive_agents := Engine.get_singleton(&"AdaptiveAgents")
	adaptive_agents.set(&"synchronous", true)
	adaptive_agents.set(&"seed", options.seed_value)
	if not options.record.is_empty():
		var error := DirAccess.make_dir_recursive_absolute(options.record)
		if error != OK:
			return "record='%s' cannot be made: %s" % [options.record, error_string(error)]
	if options.aim == Arena.Aim.BRAIN:
		_brain = Predictors.load_brain(options.brain)
		if _brain == null:
			return "the brain '%s' cannot be used" % options.brain
	return ""


## Lets go of what the sessions shared.
static func clean_up() -> void:
	_brain = null


## Starts to play.
func begin() -> void:
	var seed_value := _options.seed_value
	name = Population.player_id(_options.population, _number)
	_arena.name = "Arena"
	_arena.aim = _options.aim
	if _brain != null or not _options.record.is_empty():
		if _brain != null:
			_profile = ClassDB.instantiate(&"PlayerProfile")
			_profile.set(&"player_id", name)
		Predictors.attach(_arena, _brain, _profile, _options.adapts)
	if not _options.record.is_empty():
		_add_recorder()
	var style := Population.make(_options.population, _number, seed_value)
	_arena.begin(style, Population.seed_for(_options.population, _number, seed_value) + 1)
	add_child(_arena)


## Plays one tick; true when the session is over.
func advance() -> bool:
	_arena.advance()
	return _arena.tick * Arena.TICK_SEC >= _options.seconds


## Ends the session and returns its results.
func finish() -> Dictionary:
	Predictors.end_episode(_arena)
	if _recorder != null:
		_recorder.call(&"save")
	var score := _arena.score
	return {
		"player_id": String(name),
		"seed": _options.seed_value,
		"shots": score.shots,
		"hits": score.hits,
		"hit_rate": score.hit_rate(),
		"prediction_error_px": score.mean_miss_px(),
		"shots_by_second": score.shots_by_second,
		"hits_by_second": score.hits_by_second,
	}


func _add_recorder() -> void:
	_recorder = ClassDB.instantiate(&"SessionRecorder")
	_recorder.name = "SessionRecorder"
	_recorder.set(&"player_id", String(name))
	_recorder.set(&"directory", _options.record)
	_recorder.set(&"seed", _options.seed_value)
	_recorder.set(&"recording", true)
	_arena.add_child(_recorder)
