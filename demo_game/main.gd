extends Node2D
## The playable game: who plays, the rounds, and everything on the screen.
##
## Keys are in the project's input map. See [PlayOptions] for the command line.

@export var show_ghost := true

var _session: GameSession = null
var _panel: ChoicePanel = null
var _options: PlayOptions
var _home := Vector2.ZERO

@onready var _world: Node2D = $World
@onready var _actors: ActorsView = $World/Actors
@onready var _effects: EffectsView = $World/Effects
@onready var _hud: Hud = $Interface/Hud
@onready var _interface: CanvasLayer = $Interface


func _ready() -> void:
	RenderingServer.set_default_clear_color(Palette.BACKGROUND)
	_options = PlayOptions.parse(OS.get_cmdline_user_args())
	_home = _world.position
	_show_play(false)
	if _options.watch >= 0:
		_begin_session(_scripted_name(_options.watch), _options.watch)
	elif not _options.name.is_empty():
		_begin_session(PlayerFiles.clean(_options.name), -1)
	else:
		_ask_name()


func _process(delta: float) -> void:
	if _session == null:
		return
	var shake := Vector2.from_angle(randf() * TAU) * _effects.shake_px
	_world.position = _home + shake * minf(delta * 60.0, 1.0)
	_actors.ghost = _session.expected_place()
	var sees_ghost := show_ghost and _session.is_running
	_actors.ghost_colour = AimMode.COLOURS[_session.mode()] if sees_ghost else Color.TRANSPARENT
	_hud.player_name = _session.player_name
	_hud.round_number = _session.round_number
	_hud.seconds_left = _session.seconds_left()
	_hud.hits_taken = _session.arena.score.hits
	_hud.catches = _session.arena.score.catches
	_hud.mode = _session.mode()
	_hud.notice = _session.notice


func _unhandled_input(event: InputEvent) -> void:
	if _session == null or _panel is StartPanel:
		return
	if event.is_action_pressed(&"toggle_adaptation"):
		_session.toggle_adaptation()
	elif event.is_action_pressed(&"toggle_ghost"):
		show_ghost = not show_ghost
	elif event.is_action_pressed(&"aim_no_lead"):
		_session.set_aim(Arena.Aim.NONE)
	elif event.is_action_pressed(&"aim_straight_line"):
		_session.set_aim(Arena.Aim.LINEAR)
	elif event.is_action_pressed(&"aim_brain"):
		_session.set_aim(Arena.Aim.BRAIN)
	elif event.is_action_pressed(&"restart") and _session.is_running:
		_start_round(true)
	elif event.is_action_pressed(&"pause"):
		if _session.is_running:
			_pause()
		elif _panel != null and _panel.name == "Pause":
			_go_on()


func _notification(what: int) -> void:
	if what == NOTIFICATION_WM_CLOSE_REQUEST and _session != null:
		_session.save()
	elif what == NOTIFICATION_APPLICATION_FOCUS_OUT and _session != null and _session.is_running:
		_pause()


func _ask_name() -> void:
	_end_session()
	var panel := StartPanel.new()
	panel.play_chosen.connect(_begin_session.bind(-1))
	panel.watch_chosen.connect(_watch)
	_show_panel(panel)


func _watch() -> void:
	var number := randi_range(0, 63)
	_begin_session(_scripted_name(number), number)


func _begin_session(player_name: String, scripted_number: int) -> void:
	_session = GameSession.new(player_name, _options.brain, scripted_number)
	add_child(_session)
	_session.round_ended.connect(_show_summary)
	_session.arena.arrow_landed.connect(_on_arrow_landed)
	_session.arena.player_caught.connect(_effects.add_catch)
	_actors.arena = _session.arena
	_hud.tally = _session.tally
	_hud.graph.track = _session.track
	_show_play(true)
	_start_round(false)


func _end_session() -> void:
	if _session == null:
		return
	_session.save()
	_session.queue_free()
	_session = null
	_show_play(false)


func _show_play(shows: bool) -> void:
	_hud.visible = shows
	_actors.visible = shows
	_effects.visible = shows


func _start_round(again: bool) -> void:
	_show_panel(null)
	_effects.clear()
	_session.start_round(again)
	_actors.reset()


func _pause() -> void:
	_session.set_running(false)
	var panel := ChoicePanel.new("Paused", [])
	panel.name = "Pause"
	panel.add_choice("Go on", _go_on)
	panel.add_choice("Restart round", _start_round.bind(true))
	panel.add_choice("Change player", _ask_name)
	panel.add_choice("Quit", _quit)
	_show_panel(panel)


func _go_on() -> void:
	_show_panel(null)
	_session.set_running(true)


func _show_summary() -> void:
	var score := _session.arena.score
	var lines: Array[String] = [
		"%d arrows, %d hit you, %d missed" % [score.shots, score.hits, score.shots - score.hits],
		"caught by the hunter: %d times" % score.catches,
	]
	if _session.error_at_start_px >= 0.0:
		lines.append(
			(
				"the archers' error went from %d px to %d px"
				% [roundi(_session.error_at_start_px), roundi(_session.track.now_px())]
			)
		)
	if _session.has_brain() and _session.adapts:
		lines.append("What they learned about you is saved under “%s”." % _session.player_name)
	var panel := ChoicePanel.new("Round %d" % _session.round_number, lines)
	panel.add_choice("Next round", _start_round.bind(false))
	panel.add_choice("Change player", _ask_name)
	panel.add_choice("Quit", _quit)
	_show_panel(panel)


func _show_panel(panel: ChoicePanel) -> void:
	if _panel != null:
		_panel.queue_free()
	_panel = panel
	if panel != null:
		_interface.add_child(panel)


func _on_arrow_landed(arrow: Arrow, hit: bool) -> void:
	_effects.add_landing(arrow, hit)
	if hit:
		_actors.flash = 1.0


func _quit() -> void:
	_end_session()
	get_tree().quit()


func _scripted_name(number: int) -> String:
	return Population.player_id(Population.META_TEST, number)
