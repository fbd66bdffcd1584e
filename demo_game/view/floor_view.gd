class_name FloorView
extends Node2D
## The floor, its walls and the archers' platforms. Drawn once.

const _TILE_PX := 70.0
const _WALL_PX := 12.0

var _light := _make_light()


func _draw() -> void:
	var bounds := Arena.BOUNDS
	draw_rect(bounds.grow(_WALL_PX + 8.0).grow_side(SIDE_BOTTOM, 6.0), Palette.SHADOW)
	draw_rect(bounds.grow(_WALL_PX), Palette.WALL)
	draw_rect(bounds.grow(_WALL_PX), Palette.WALL_EDGE, false, 2.0)
	draw_rect(bounds, Palette.FLOOR)
	for column in int(bounds.size.x / _TILE_PX):
		for row in int(bounds.size.y / _TILE_PX):
			if (column + row) % 2 == 0:
				var corner := bounds.position + Vector2(column, row) * _TILE_PX
				draw_rect(Rect2(corner, Vector2(_TILE_PX, _TILE_PX)), Palette.FLOOR_TILE)
	draw_texture_rect(_light, bounds, false)
	_draw_middle(bounds.get_center())
	_draw_inner_shadow(bounds)
	_draw_platform(Rect2(-54.0, 176.0, 48.0, 208.0))
	_draw_platform(Rect2(bounds.end.x + 6.0, 176.0, 48.0, 208.0))
	_draw_platform(Rect2(bounds.get_center().x - 60.0, -54.0, 120.0, 48.0))


func _draw_middle(middle: Vector2) -> void:
	var line := Palette.faded(Palette.WALL, 0.45)
	draw_arc(middle, 90.0, 0.0, TAU, 96, line, 2.0, true)
	draw_arc(middle, 8.0, 0.0, TAU, 32, line, 2.0, true)


func _make_light() -> GradientTexture2D:
	var gradient := Gradient.new()
	gradient.set_color(0, Color(0.75, 0.85, 1.0, 0.075))
	gradient.set_color(1, Color(0.0, 0.0, 0.0, 0.16))
	var light := GradientTexture2D.new()
	light.gradient = gradient
	light.fill = GradientTexture2D.FILL_RADIAL
	light.fill_from = Vector2(0.5, 0.45)
	light.fill_to = Vector2(1.0, 0.95)
	light.width = 256
	light.height = 128
	return light


func _draw_inner_shadow(bounds: Rect2) -> void:
	for step in 6:
		var alpha := 0.07 * (1.0 - step / 6.0)
		draw_rect(bounds.grow(-3.0 - step * 4.0), Color(0, 0, 0, alpha), false, 5.0)
	draw_rect(Rect2(bounds.position, Vector2(bounds.size.x, 10.0)), Color(0, 0, 0, 0.22))


func _draw_platform(slab: Rect2) -> void:
	draw_rect(Rect2(slab.position + Vector2(0, 8), slab.size), Palette.SHADOW)
	draw_rect(slab, Palette.WALL.darkened(0.1))
	draw_rect(slab.grow(-4.0), Palette.WALL.lightened(0.06))
	draw_rect(slab, Palette.WALL_EDGE, false, 2.0)
