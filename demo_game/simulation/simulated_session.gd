class_name SimulatedSession
extends Node
## One scripted player in one arena, from start to end of its session.

var _options: SimulationOptions
var _number := 0
var _arena := Arena.new()


func _init(options: SimulationOptions, number: int) -> void:
	_options = options
	_number = number


## Checks what [param options] asks of the addon, once, before any session starts;
## says what is wrong, or nothing.
static func prepare(_options: SimulationOptions) -> String:
	return ""


## Starts to play.
func begin() -> void:
	var style := Population.make(_options.population, _number, _options.seed_value)
	_arena.aim = _options.aim
	add_child(_arena)
	_arena.begin(style, Population.seed_for(_options.population, _number, _options.seed_value + 1))


## Plays one tick; true when the session is over.
func advance() -> bool:
	_arena.advance()
	return _arena.tick * Arena.TICK_SEC >= _options.seconds


## Ends the session and returns its results.
func finish() -> Dictionary:
	var score := _arena.score
	return {
		"player_id": Population.player_id(_options.population, _number),
		"seed": _options.seed_value,
		"shots": score.shots,
		"hits": score.hits,
		"hit_rate": score.hit_rate(),
		"prediction_error_px": score.mean_miss_px(),
		"shots_by_second": score.shots_by_second,
		"hits_by_second": score.hits_by_second,
	}
