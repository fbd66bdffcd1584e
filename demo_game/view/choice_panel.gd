class_name ChoicePanel
extends PanelContainer
## A panel in the middle of the screen: a title, some lines, and buttons.

var _content := VBoxContainer.new()
var _buttons := HBoxContainer.new()


func _init(title: String, lines: Array[String]) -> void:
	add_theme_stylebox_override(&"panel", _box(Palette.PANEL, Palette.PANEL_EDGE, 28.0))
	custom_minimum_size = Vector2(460, 0)
	_content.add_theme_constant_override(&"separation", 12)
	_buttons.add_theme_constant_override(&"separation", 10)
	_buttons.alignment = BoxContainer.ALIGNMENT_CENTER
	add_child(_content)
	_add_label(title, 26, Palette.TEXT)
	for line in lines:
		_add_label(line, 15, Palette.TEXT_DIM)


func _ready() -> void:
	_content.add_child(_buttons)
	set_anchors_and_offsets_preset(Control.PRESET_CENTER)
	grow_horizontal = Control.GROW_DIRECTION_BOTH
	grow_vertical = Control.GROW_DIRECTION_BOTH
	if _buttons.get_child_count() > 0:
		_focus_first.call_deferred()


## Adds a button; the first one has the focus.
func add_choice(label: String, action: Callable) -> void:
	_buttons.add_child(_button(label, action))


## Adds [param control] between the lines and the buttons.
func add_control(control: Control) -> void:
	_content.add_child(control)


func _focus_first() -> void:
	var first: Button = _buttons.get_child(0)
	first.grab_focus()


func _add_label(text: String, font_size: int, colour: Color) -> void:
	var label := Label.new()
	label.text = text
	label.horizontal_alignment = HORIZONTAL_ALIGNMENT_CENTER
	label.add_theme_font_size_override(&"font_size", font_size)
	label.add_theme_color_override(&"font_color", colour)
	_content.add_child(label)


func _button(label: String, action: Callable) -> Button:
	var button := Button.new()
	button.text = label
	button.custom_minimum_size = Vector2(0, 38)
	button.add_theme_font_size_override(&"font_size", 15)
	button.add_theme_color_override(&"font_color", Palette.TEXT)
	var edge := Palette.PANEL_EDGE
	button.add_theme_stylebox_override(&"normal", _box(Palette.FLOOR_TILE, edge, 14.0))
	button.add_theme_stylebox_override(&"hover", _box(edge, Palette.PLAYER, 14.0))
	button.add_theme_stylebox_override(&"pressed", _box(edge, Palette.PLAYER, 14.0))
	button.add_theme_stylebox_override(&"focus", _box(Color.TRANSPARENT, Palette.PLAYER, 14.0))
	button.pressed.connect(action)
	return button


func _box(fill: Color, edge: Color, margin: float) -> StyleBoxFlat:
	var box := StyleBoxFlat.new()
	box.bg_color = fill
	box.border_color = edge
	box.set_border_width_all(1)
	box.set_corner_radius_all(8)
	box.content_margin_left = margin
	box.content_margin_right = margin
	box.content_margin_top = margin * 0.6
	box.content_margin_bottom = margin * 0.6
	return box
