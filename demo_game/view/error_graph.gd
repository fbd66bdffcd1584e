class_name ErrorGraph
extends Control
## The archers' error over the last minute and a half, beside a straight line's.

const _HIGHEST_PX := 150.0

var track := ErrorTrack.new()


func _process(_delta: float) -> void:
	queue_redraw()


func _draw() -> void:
	var font := ThemeDB.fallback_font
	var plot := Rect2(Vector2(150, 8), size - Vector2(162, 16))
	draw_string(font, Vector2(14, 24), "prediction error", 0, -1, 12, Palette.TEXT_DIM)
	var now := track.now_px()
	var text := "%d px" % roundi(now) if now >= 0.0 else "–"
	draw_string(font, Vector2(14, 54), text, 0, -1, 24, Palette.TEXT)
	draw_line(plot.position + Vector2(0, plot.size.y), plot.end, Palette.PANEL_EDGE, 1.0)
	var hit_y := _height(plot, Arena.HIT_RADIUS_PX)
	draw_dashed_line(
		Vector2(plot.position.x, hit_y),
		Vector2(plot.end.x, hit_y),
		Palette.faded(Palette.HIT, 0.6),
		1.0,
		5.0
	)
	draw_string(
		font,
		Vector2(plot.end.x - 14.0, hit_y - 3.0),
		"hit",
		0,
		-1,
		9,
		Palette.faded(Palette.HIT, 0.8)
	)
	var count := track.archers_px.size()
	if count < 2:
		return
	var step := plot.size.x / (ErrorTrack.KEPT_SAMPLES - 1)
	var straight := PackedVector2Array()
	for index in count:
		var x := plot.position.x + step * index
		straight.append(Vector2(x, _height(plot, track.straight_px[index])))
	draw_polyline(straight, Palette.faded(Palette.ARCHER, 0.55), 1.2, true)
	var end := straight[count - 1]
	if plot.end.x - end.x > 70.0:
		var label := Palette.faded(Palette.ARCHER, 0.7)
		draw_string(font, end + Vector2(6, 4), "straight line", 0, -1, 10, label)
	for index in range(1, count):
		var from := Vector2(straight[index - 1].x, _height(plot, track.archers_px[index - 1]))
		var to := Vector2(straight[index].x, _height(plot, track.archers_px[index]))
		draw_line(from, to, AimMode.COLOURS[track.modes[index]], 2.2, true)


func _height(plot: Rect2, error_px: float) -> float:
	return plot.end.y - plot.size.y * minf(error_px / _HIGHEST_PX, 1.0)
