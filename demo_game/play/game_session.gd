class_name GameSession
extends Node
## One player's visit: rounds in the arena, what the archers learn, and what is kept of it.

## The round's time is up, and everything worth keeping is saved.
signal round_ended

const ROUND_SEC := 45.0

var arena := Arena.new()
var player_name := ""
var tally := Tally.new()
var track := ErrorTrack.new()
var round_number := 0
## Whether time passes.
var is_running := false
## Whether the enemies learn the player.
var adapts := true
## Why the enemies have no brain; empty if they have one.
var notice := ""
## The archers' error when this round began, in pixels; negative if it was not known.
var error_at_start_px := -1.0

var _profile: Resource = null
var _recorder: Node = null
var _scripted_number := -1


## [param scripted_number] is a scripted player's, or -1 for a person, whose profile is kept.
func _init(name_of_player: String, brain_path: String, scripted_number: int) -> void:
	player_name = name_of_player
	_scripted_number = scripted_number
	arena.name = "Arena"
	add_child(arena)
	arena.arrow_shot.connect(_on_arrow_shot)
	arena.arrow_landed.connect(_on_arrow_landed)
	if not Predictors.are_available():
		notice = "The addon is not running: run `make`. The archers lead in a straight line."
		return
	var brain: Resource = null
	if not FileAccess.file_exists(brain_path) and not ResourceLoader.exists(brain_path):
		notice = "No brain at %s: `make demo` trains one and plays with it." % brain_path
	else:
		brain = Predictors.load_brain(brain_path)
		if brain == null:
			notice = "The brain at %s cannot be used: the output says why." % brain_path
		else:
			arena.aim = Arena.Aim.BRAIN
	var is_person := scripted_number < 0
	_profile = (
		PlayerFiles.load_profile(player_name) if is_person else PlayerFiles.new_profile(player_name)
	)
	Predictors.attach(arena, brain, _profile, adapts)
	Predictors.set_enabled(arena, false)
	if is_person:
		_add_recorder()


## Begins the next round, or this one again.
func start_round(again: bool) -> void:
	if not again:
		round_number += 1
	Predictors.end_episode(arena)
	track.drop_waiting()
	error_at_start_px = -1.0
	var control: PlayerControl = HumanControl.new()
	if _scripted_number >= 0:
		control = Population.make(Population.META_TEST, _scripted_number, round_number)
	arena.begin(control, randi())
	set_running(true)


## Lets time pass, or not. Meanwhile the enemies look away: a pause teaches them nothing.
func set_running(running: bool) -> void:
	is_running = running
	Predictors.set_enabled(arena, running)


## Chooses how the archers aim; a brain that is not there cannot be chosen.
func set_aim(aim: Arena.Aim) -> void:
	if aim != Arena.Aim.BRAIN or has_brain():
		arena.aim = aim


## Switches learning off or on.
func toggle_adaptation() -> void:
	adapts = not adapts
	Predictors.set_adapting(arena, adapts)


## Whether there is a brain to aim with.
func has_brain() -> bool:
	return notice.is_empty()


## The present [AimMode].
func mode() -> int:
	return AimMode.of(arena.aim, adapts)


func seconds_left() -> float:
	return maxf(ROUND_SEC - arena.tick * Arena.TICK_SEC, 0.0)


## Where the archers, on average, expect the player when an arrow shot now would land.
func expected_place() -> Vector2:
	var sum := Vector2.ZERO
	for archer in arena.archers:
		sum += archer.expected_displacement(arena)
	var place := arena.player.place + sum / arena.archers.size()
	return place.clamp(Arena.BOUNDS.position, Arena.BOUNDS.end)


## Saves what was recorded and learned so far, as at the end of a round.
func save() -> void:
	if _recorder != null:
		_recorder.call(&"save")
	if _profile != null and _scripted_number < 0:
		_profile.call(&"save", PlayerFiles.profile_path(player_name))


func _physics_process(_delta: float) -> void:
	if not is_running:
		return
	arena.advance()
	track.advance(arena, expected_place(), mode())
	if error_at_start_px < 0.0 and arena.tick > 240:
		error_at_start_px = track.now_px()
	if seconds_left() <= 0.0:
		_end_round()


func _end_round() -> void:
	set_running(false)
	if _profile != null:
		# What the round taught goes into the profile's slow weights.
		_profile.call(&"end_episode")
	save()
	round_ended.emit()


func _on_arrow_shot(arrow: Arrow) -> void:
	arrow.mode = mode()


func _on_arrow_landed(arrow: Arrow, hit: bool) -> void:
	tally.add(arrow.mode, hit)


func _add_recorder() -> void:
	_recorder = ClassDB.instantiate(&"SessionRecorder")
	_recorder.name = "SessionRecorder"
	_recorder.set(&"player_id", player_name)
	_recorder.set(&"directory", PlayerFiles.SESSIONS)
	_recorder.set(&"recording", true)
	arena.add_child(_recorder)
