class_name ErrorTrack
extends RefCounted
## How far off the archers are, over time, beside what a straight line would give.
##
## At every decision it notes where the archers expect the player, waits for an arrow's flight, and
## compares. The errors are smoothed over some seconds.

const SAMPLE_TICKS := 30
const SMOOTHING_SEC := 5.0
const KEPT_SAMPLES := 180

## Smoothed error of the archers' expectation in pixels, one sample in half a second.
var archers_px := PackedFloat32Array()
## The same for a straight line.
var straight_px := PackedFloat32Array()
## The [AimMode] of each sample.
var modes := PackedInt32Array()

var _waiting: Array[Expectation] = []
var _archers_now_px := -1.0
var _straight_now_px := -1.0


## Where the player was expected at some tick.
class Expectation:
	extends RefCounted
	var due_tick: int
	var archers: Vector2
	var straight: Vector2


## Call every tick; [param expected] is where the archers think the player will be.
func advance(arena: Arena, expected: Vector2, mode: int) -> void:
	var place := arena.player.place
	if arena.is_acting_tick():
		var expectation := Expectation.new()
		expectation.due_tick = arena.tick + Arena.FLIGHT_TICKS
		expectation.archers = expected
		expectation.straight = place + Enemy.straight_line(arena.player)
		_waiting.append(expectation)
	if not _waiting.is_empty() and _waiting[0].due_tick <= arena.tick:
		var due: Expectation = _waiting.pop_front()
		_archers_now_px = _smoothed(_archers_now_px, due.archers.distance_to(place))
		_straight_now_px = _smoothed(_straight_now_px, due.straight.distance_to(place))
	if arena.tick % SAMPLE_TICKS == 0 and _archers_now_px >= 0.0:
		_add_sample(mode)


## The newest smoothed error of the archers in pixels; negative before there is one.
func now_px() -> float:
	return _archers_now_px


## Forgets what is not compared yet, as after a restart.
func drop_waiting() -> void:
	_waiting.clear()


func _add_sample(mode: int) -> void:
	archers_px.append(_archers_now_px)
	straight_px.append(_straight_now_px)
	modes.append(mode)
	if archers_px.size() > KEPT_SAMPLES:
		archers_px.remove_at(0)
		straight_px.remove_at(0)
		modes.remove_at(0)


func _smoothed(before: float, error_px: float) -> float:
	if before < 0.0:
		return error_px
	const SHARE := Arena.DECISION_TICKS * Arena.TICK_SEC / SMOOTHING_SEC
	return lerpf(before, error_px, SHARE)
