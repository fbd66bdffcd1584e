class_name StartPanel
extends ChoicePanel
## Asks who plays. The archers remember each name.

## Somebody wants to play under this name.
signal play_chosen(player_name: String)
## A scripted player shall play.
signal watch_chosen

var _name_edit := LineEdit.new()


func _init() -> void:
	super(
		"Adaptive Archers",
		[
			"Their arrows need 0.6 s to come down.",
			"They aim at where you will be, and they learn how you move.",
		]
	)
	_name_edit.placeholder_text = "your name"
	_name_edit.max_length = PlayerFiles.NAME_LENGTH
	_name_edit.alignment = HORIZONTAL_ALIGNMENT_CENTER
	_name_edit.custom_minimum_size = Vector2(0, 40)
	_name_edit.add_theme_font_size_override(&"font_size", 17)
	_name_edit.add_theme_stylebox_override(&"normal", _box(Palette.BACKGROUND, Palette.WALL, 12.0))
	_name_edit.add_theme_stylebox_override(&"focus", _box(Palette.BACKGROUND, Palette.PLAYER, 12.0))
	_name_edit.text_submitted.connect(func(_text: String) -> void: _play())
	add_control(_name_edit)
	_add_saved_names()
	add_choice("Play", _play)
	add_choice("Watch a scripted player", watch_chosen.emit)


func _add_saved_names() -> void:
	var names := PlayerFiles.saved_names()
	if names.is_empty():
		return
	_name_edit.text = names[0]
	var row := HFlowContainer.new()
	row.alignment = FlowContainer.ALIGNMENT_CENTER
	for saved in names.slice(0, 8):
		row.add_child(_button(saved, func() -> void: _name_edit.text = saved))
	_add_label("They remember:", 12, Palette.TEXT_DIM)
	add_control(row)


func _play() -> void:
	play_chosen.emit(PlayerFiles.clean(_name_edit.text))
