@tool
extends MarginContainer
## The bottom panel: which sessions were recorded, and the button that retrains a brain on them.

## A training ended well and left this file.
signal brain_written(path: String)

const ExternalProcess := preload("external_process.gd")
const Pytrain := preload("pytrain.gd")
const RecordedSession := preload("recorded_session.gd")
const SessionList := preload("session_list.gd")

const SESSIONS_FOLDER := "user://sessions"
const ALGORITHMS: Dictionary[String, String] = {
	"memory": "Memory: looks up what this player did before; start with this",
	"bayes": "Bayesian head: exact, knows how sure it is, never forgets a player",
	"maml": "MAML: best after few steps, trains longest",
	"fomaml": "First-order MAML: nearly as good, trains faster",
	"anil": "ANIL: only the last layer adapts",
	"reptile": "Reptile: simple and fast",
	"metasgd": "Meta-SGD: MAML that also learns how far each weight moves",
	"protonet": "Prototypes: for categories; adapts without a gradient",
	"cavia": "CAVIA: only a few context numbers adapt, for very many agents",
	"pooled": "Pooled: no meta-learning, one model for all players",
}

var _sessions := SessionList.new()
var _summary := Label.new()
var _algorithm := OptionButton.new()
var _brain_path := LineEdit.new()
var _retrain := Button.new()
var _progress := ProgressBar.new()
var _log := RichTextLabel.new()
var _process_of_training := ExternalProcess.new()
var _was_stopped: bool = false


func _init() -> void:
	name = "AdaptiveAgents"
	custom_minimum_size = Vector2(0, 240) * EditorInterface.get_editor_scale()


func _ready() -> void:
	add_child(_process_of_training)
	_process_of_training.printed.connect(_on_printed)
	_process_of_training.ended.connect(_on_ended)
	var columns := HSplitContainer.new()
	columns.size_flags_horizontal = SIZE_EXPAND_FILL
	columns.add_child(_build_sessions())
	columns.add_child(_build_training())
	add_child(columns)
	visibility_changed.connect(_on_visibility_changed)
	_update_button()


## Looks for sessions again.
func refresh() -> void:
	var sessions := RecordedSession.find_all(SESSIONS_FOLDER)
	_sessions.show_sessions(sessions)
	_summary.text = SessionList.summarize(sessions)
	_update_button()


func _build_sessions() -> Control:
	var bar := HBoxContainer.new()
	_summary.size_flags_horizontal = SIZE_EXPAND_FILL
	_summary.text_overrun_behavior = TextServer.OVERRUN_TRIM_ELLIPSIS
	bar.add_child(_summary)
	bar.add_child(_make_button("Reload", "Look for recorded sessions again", refresh))
	bar.add_child(_make_button("Folder", "Open %s" % SESSIONS_FOLDER, _open_folder))
	var column := VBoxContainer.new()
	column.size_flags_horizontal = SIZE_EXPAND_FILL
	column.size_flags_stretch_ratio = 1.0
	column.add_child(bar)
	_sessions.size_flags_vertical = SIZE_EXPAND_FILL
	column.add_child(_sessions)
	return column


func _build_training() -> Control:
	var bar := HBoxContainer.new()
	for algorithm: String in ALGORITHMS:
		_algorithm.add_item(ALGORITHMS[algorithm].get_slice(":", 0))
		_algorithm.set_item_tooltip(-1, ALGORITHMS[algorithm])
		_algorithm.set_item_metadata(-1, algorithm)
	_algorithm.tooltip_text = "The meta-learner"
	bar.add_child(_algorithm)
	_brain_path.text = "res://new.brain"
	_brain_path.placeholder_text = "res://….brain"
	_brain_path.tooltip_text = "The file to write; an older one stays until the training ends well"
	_brain_path.size_flags_horizontal = SIZE_EXPAND_FILL
	_brain_path.text_changed.connect(_update_button.unbind(1))
	bar.add_child(_brain_path)
	_retrain.pressed.connect(_on_retrain_pressed)
	bar.add_child(_retrain)
	_progress.visible = false
	_log.size_flags_vertical = SIZE_EXPAND_FILL
	_log.scroll_following = true
	_log.selection_enabled = true
	_log.add_theme_stylebox_override(&"normal", get_theme_stylebox(&"normal", &"LineEdit"))
	_log.add_theme_font_override(&"normal_font", get_theme_font(&"source", &"EditorFonts"))
	var column := VBoxContainer.new()
	column.size_flags_horizontal = SIZE_EXPAND_FILL
	column.size_flags_stretch_ratio = 1.1
	column.add_child(bar)
	column.add_child(_progress)
	column.add_child(_log)
	return column


func _make_button(icon: String, tooltip: String, pressed: Callable) -> Button:
	var button := Button.new()
	button.icon = get_theme_icon(icon, &"EditorIcons")
	button.tooltip_text = tooltip
	button.theme_type_variation = &"FlatButton"
	button.pressed.connect(pressed)
	return button


func _open_folder() -> void:
	DirAccess.make_dir_recursive_absolute(SESSIONS_FOLDER)
	OS.shell_show_in_file_manager(ProjectSettings.globalize_path(SESSIONS_FOLDER))


func _update_button() -> void:
	var is_running := _process_of_training.is_running()
	_retrain.text = "Stop" if is_running else "Retrain"
	_retrain.icon = get_theme_icon(&"Stop" if is_running else &"Reload", &"EditorIcons")
	_retrain.disabled = not is_running and not _get_objection().is_empty()
	_retrain.tooltip_text = _get_objection()


## Why a training cannot start now, or an empty string.
func _get_objection() -> String:
	if _sessions.is_empty():
		return "Nothing is recorded yet: add a SessionRecorder to a scene and play"
	var path := _brain_path.text
	if not path.begins_with("res://") or path.get_extension() != "brain":
		return "Name the file to write: res://….brain"
	return ""


func _on_visibility_changed() -> void:
	if is_visible_in_tree():
		refresh()


func _on_retrain_pressed() -> void:
	if _process_of_training.is_running():
		_was_stopped = true
		_process_of_training.stop()
		return
	_log.clear()
	var program := Pytrain.find()
	if program.is_empty():
		_say_error(Pytrain.get_advice())
		return
	var arguments := PackedStringArray(
		[
			"train",
			ProjectSettings.globalize_path(SESSIONS_FOLDER),
			"--algorithm",
			_algorithm.get_selected_metadata(),
			"--out",
			ProjectSettings.globalize_path(_brain_path.text),
		]
	)
	_log.append_text("[color=gray]$ pytrain %s[/color]\n" % " ".join(arguments))
	var environment := {"PYTRAIN_PROGRESS": "lines", "COLUMNS": "100"}
	if not _process_of_training.start(program, arguments, environment):
		_say_error("%s cannot be started: check that it may be executed" % program)
		return
	_was_stopped = false
	_progress.value = 0
	_progress.visible = true
	_update_button()


func _on_printed(line: String) -> void:
	var words := line.split(" ", false)
	if words.size() == 3 and words[0] == "PROGRESS":
		_progress.max_value = words[2].to_float()
		_progress.value = words[1].to_float()
	else:
		_log.add_text(line + "\n")


func _on_ended(exit_code: int) -> void:
	_progress.visible = false
	_update_button()
	if exit_code == 0:
		var path := _brain_path.text
		_log.append_text(
			"[color=lightgreen]%s is ready: set it as the agents' brain.[/color]\n" % path
		)
		brain_written.emit(path)
	elif _was_stopped:
		_log.append_text("[color=gray]Stopped; no brain was written.[/color]\n")
	else:
		_say_error("No brain was written (exit status %d)." % exit_code)


func _say_error(message: String) -> void:
	var color := get_theme_color(&"error_color", &"Editor")
	_log.append_text("[color=#%s]%s[/color]\n" % [color.to_html(false), message])
