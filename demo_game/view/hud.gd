class_name Hud
extends Control
## The bar above the arena: who plays, how the round goes, the error graph, and what each way
## of aiming hits; the keys below; and a notice where something is missing.

const _LEFT := Rect2(16, 8, 300, 54)
const _MIDDLE := Rect2(326, 8, 420, 54)
const _RIGHT := Rect2(756, 8, 508, 54)
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
	_write(Vector2(0, 710), _KEYS, 12, Palette.TEXT_DIM, size.x, HORIZONTAL_ALIGNMENT_CENTER)
	if not notice.is_empty():
		var strip := Rect2(80, 122, size.x - 160, 26)
		draw_rect(strip, Palette.faded(Palette.BACKGROUND, 0.85))
		_write(
			Vector2(80, 140), notice, 13, Palette.DANGER, strip.size.x, HORIZONTAL_ALIGNMENT_CENTER
		)


func _draw_player() -> void:
	draw_circle(Vector2(38, 35), 9.0, Palette.PLAYER, true, -1.0, true)
	_write(Vector2(58, 31), player_name, 17, Palette.TEXT)
	var clock := (
		"round %d   %02d:%02d" % [round_number, int(seconds_left) / 60, int(seconds_left) % 60]
	)
	_write(Vector2(58, 51), clock, 13, Palette.TEXT_DIM)
	_write(Vector2(196, 31), "%d" % hits_taken, 17, Palette.HIT, 50, HORIZONTAL_ALIGNMENT_RIGHT)
	_write(Vector2(196, 51), "hits", 12, Palette.TEXT_DIM, 50, HORIZONTAL_ALIGNMENT_RIGHT)
	_write(Vector2(252, 31), "%d" % catches, 17, Palette.HUNTER, 54, HORIZONTAL_ALIGNMENT_RIGHT)
	_write(Vector2(252, 51), "caught", 12, Palette.TEXT_DIM, 54, HORIZONTAL_ALIGNMENT_RIGHT)


func _draw_mode(which: int) -> void:
	var cell := Rect2(_RIGHT.position + Vector2(which * 127.0, 0), Vector2(127, 54))
	var colour := AimMode.COLOURS[which]
	if which == mode:
		draw_rect(cell.grow(-2.0), Palette.faded(colour, 0.16))
		draw_rect(Rect2(cell.position + Vector2(2, 49), Vector2(123, 3)), colour)
	var dim := 1.0 if which == mode else 0.65
	_write(cell.position + Vector2(10, 18), AimMode.NAMES[which], 12, Palette.faded(colour, dim))
	var shots := tally.shots[which]
	var rate := "%d %%" % roundi(tally.hit_rate(which) * 100.0) if shots > 0 else "–"
	_write(cell.position + Vector2(10, 42), rate, 20, Palette.faded(Palette.TEXT, dim))
	var count := "%d / %d" % [tally.hits[which], shots]
	_write(
		cell.position + Vector2(60, 42), count, 11, Palette.TEXT_DIM, 58, HORIZONTAL_ALIGNMENT_RIGHT
	)


func _write(
	place: Vector2,
	text: String,
	font_size: int,
	colour: Color,
	width := -1.0,
	alignment := HORIZONTAL_ALIGNMENT_LEFT
) -> void:
	draw_string(ThemeDB.fallback_font, place, text, alignment, width, font_size, colour)
