class_name Hud
extends Control
## The bar above the arena: who plays, how the round goes, the error graph, and what each way
## of aiming hits; the keys below; and a notice where something is missing.

const _LEFT := Rect2(16, 10, 286, 72)
const _MIDDLE := Rect2(312, 10, 468, 72)
const _RIGHT := Rect2(790, 10, 474, 72)
const _KEYS := (
	"move  WASD / arrows / stick      dash  Space / A      adaptation  T / Y"
	+ "      aim  1 2 3      ghost  G      pause  Esc / Start      restart  R"
)

var player_name := ""
var round_number := 1
var seconds_left := 0.0
var hits_taken := 0
var catches := 0
var mode := AimMode.STRAIGHT_LINE
var tally := Tally.new()
## One line across the top of the arena, such as that the addon is not built; empty for none.
var notice := ""

var graph := ErrorGraph.new()


func _ready() -> void:
	graph.position = _MIDDLE.position
	graph.size = _MIDDLE.size
	add_child(graph)


func _process(_delta: float) -> void:
	queue_redraw()


func _draw() -> void:
	for panel: Rect2 in [_LEFT, _MIDDLE, _RIGHT]:
		draw_rect(panel, Palette.PANEL)
		draw_rect(panel, Palette.PANEL_EDGE, false, 1.0)
	_draw_player()
	for each in AimMode.COUNT:
		_draw_mode(each)
	_write(Vector2(0, 747), _KEYS, 12, Palette.TEXT_DIM, size.x, HORIZONTAL_ALIGNMENT_CENTER)
	if not notice.is_empty():
		var strip := Rect2(80, 148, size.x - 160, 26)
		draw_rect(strip, Palette.faded(Palette.BACKGROUND, 0.85))
		_write(
			Vector2(80, 166), notice, 13, Palette.DANGER, strip.size.x, HORIZONTAL_ALIGNMENT_CENTER
		)


func _draw_player() -> void:
	draw_circle(Vector2(42, 46), 11.0, Palette.PLAYER, true, -1.0, true)
	draw_circle(Vector2(39, 42), 4.0, Palette.PLAYER_LIGHT, true, -1.0, true)
	_write(Vector2(64, 42), player_name, 17, Palette.TEXT, 136)
	var whole := int(seconds_left)
	var clock := "round %d   %d:%02d" % [round_number, floori(whole / 60.0), whole % 60]
	_write(Vector2(64, 64), clock, 13, Palette.TEXT_DIM)
	_draw_count(Vector2(186, 42), hits_taken, "hits", Palette.HIT)
	_draw_count(Vector2(236, 42), catches, "caught", Palette.HUNTER)


func _draw_count(place: Vector2, count: int, label: String, colour: Color) -> void:
	_write(place, "%d" % count, 20, colour, 54, HORIZONTAL_ALIGNMENT_RIGHT)
	var below := place + Vector2(0, 22)
	_write(below, label, 12, Palette.TEXT_DIM, 54, HORIZONTAL_ALIGNMENT_RIGHT)


func _draw_mode(which: int) -> void:
	const WIDTH := 118.5
	var cell := Rect2(_RIGHT.position + Vector2(which * WIDTH, 0), Vector2(WIDTH, 72))
	var colour := AimMode.COLOURS[which]
	if which == mode:
		draw_rect(cell.grow(-2.0), Palette.faded(colour, 0.16))
		draw_rect(Rect2(cell.position + Vector2(2, 67), Vector2(WIDTH - 4, 3)), colour)
	var dim := 1.0 if which == mode else 0.65
	_write(cell.position + Vector2(12, 22), AimMode.NAMES[which], 12, Palette.faded(colour, dim))
	var shots := tally.shots[which]
	var rate := "%d %%" % roundi(tally.hit_rate(which) * 100.0) if shots > 0 else "–"
	_write(cell.position + Vector2(12, 48), rate, 22, Palette.faded(Palette.TEXT, dim))
	var count := "%d of %d hit" % [tally.hits[which], shots] if shots > 0 else ""
	_write(cell.position + Vector2(12, 63), count, 10, Palette.TEXT_DIM)


func _write(
	place: Vector2,
	text: String,
	font_size: int,
	colour: Color,
	width := -1.0,
	alignment := HORIZONTAL_ALIGNMENT_LEFT
) -> void:
	draw_string(ThemeDB.fallback_font, place, text, alignment, width, font_size, colour)
