extends Node
## Plays scripted players against the archers without a window, many arenas at once, faster
## than real time: to record sessions, and to measure what the archers hit.
## [codeblock]
## godot --headless --path . --fixed-fps 60 res://demo_game/simulation.tscn -- \
##     population=meta-train from=0 to=64 seconds=60 aim=linear record=build/sessions
## [/codeblock]
## The words are explained in [SimulationOptions]. Now and then it prints a line
## [code]PROGRESS done total[/code], in seconds of play; it exits with 0, or with 2 and one line
## on what was wrong.

const PROGRESS_EVERY_TICKS := 60

var _options: SimulationOptions
var _running: Array[SimulatedSession] = []
var _next_number := 0
var _ticks_played := 0
var _results: Array[Dictionary] = []


func _ready() -> void:
	_options = SimulationOptions.parse(OS.get_cmdline_user_args())
	if _options.problem.is_empty():
		_options.problem = SimulatedSession.prepare(_options)
	if not _options.problem.is_empty():
		_stop(_options.problem)
		return
	_next_number = _options.from
	for _slot in mini(_options.arenas, _options.to - _options.from):
		_start_next()


func _physics_process(_delta: float) -> void:
	_ticks_played += _running.size()
	if Engine.get_physics_frames() % PROGRESS_EVERY_TICKS == 0:
		_print_progress()
	for session: SimulatedSession in _running.duplicate():
		if session.advance():
			_finish(session)
	if _running.is_empty() and _options.problem.is_empty():
		_stop(_write_results())


func _start_next() -> void:
	var session := SimulatedSession.new(_options, _next_number)
	_next_number += 1
	_running.append(session)
	add_child(session)
	session.begin()


func _finish(session: SimulatedSession) -> void:
	_running.erase(session)
	_results.append(session.finish())
	session.queue_free()
	if _next_number < _options.to:
		_start_next()


func _print_progress() -> void:
	var total := (_options.to - _options.from) * _options.seconds
	print("PROGRESS %d %d" % [_ticks_played * Arena.TICK_SEC, total])


func _write_results() -> String:
	if _options.results.is_empty():
		return ""
	_results.sort_custom(
		func(a: Dictionary, b: Dictionary) -> bool: return a["player_id"] < b["player_id"]
	)
	var report := {
		"population": _options.population,
		"aim": _options.aim_name(),
		"adaptation": "player" if _options.adapts else "off",
		"seconds": _options.seconds,
		"players": _results,
	}
	var file := FileAccess.open(_options.results, FileAccess.WRITE)
	if file == null:
		return (
			"cannot write results to '%s': %s"
			% [_options.results, error_string(FileAccess.get_open_error())]
		)
	file.store_string(JSON.stringify(report, "\t", false))
	return ""


func _stop(problem: String) -> void:
	set_physics_process(false)
	SimulatedSession.clean_up()
	if not problem.is_empty():
		printerr("simulation: ", problem)
	get_tree().quit(0 if problem.is_empty() else 2)
