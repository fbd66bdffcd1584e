class_name ActorsView
extends Node2D
## Draws the player, the enemies and the arrows of [member arena], as they are now.

var arena: Arena
## Where the archers think the player will be.
var ghost := Vector2.ZERO
## In the colour of how they aim; transparent for no ghost.
var ghost_colour := Color.TRANSPARENT
## How strongly the player flashes after a hit, 1 to 0.
var flash := 0.0

var _trail := PackedVector2Array()
var _shown_ghost := Vector2.ZERO


func _process(delta: float) -> void:
	flash = maxf(flash - delta * 4.0, 0.0)
	_shown_ghost = _shown_ghost.lerp(ghost, 1.0 - exp(-delta * 22.0))
	queue_redraw()


func _physics_process(_delta: float) -> void:
	if arena == null:
		return
	_trail.append(arena.player.place)
	if _trail.size() > 22:
		_trail.remove_at(0)


func _draw() -> void:
	if arena == null:
		return
	for arrow in arena.arrows:
		if arrow.is_announced():
			_draw_cue(arrow)
	if ghost_colour.a > 0.0:
		_draw_ghost()
	_draw_hunter(arena.hunter)
	_draw_player(arena.player)
	for archer in arena.archers:
		_draw_archer(archer)
	for arrow in arena.arrows:
		_draw_arrow(arrow)


## Forgets the way the player came, as after a restart.
func reset() -> void:
	_trail.clear()
	_shown_ghost = arena.player.place
	flash = 0.0


func _draw_player(player: ArenaPlayer) -> void:
	var dashing := player.dash_left_sec > 0.0
	_draw_trail(0.7 if dashing else 0.3)
	_draw_shadow(player.place, 16.0)
	var body := Palette.PLAYER.lerp(Color.WHITE, flash)
	var radius := ArenaPlayer.RADIUS_PX * (1.0 + 0.12 * flash)
	var side := player.facing.orthogonal()
	var nose := PackedVector2Array(
		[
			player.place + player.facing * (radius + 11.0),
			player.place + player.facing * (radius * 0.6) + side * 11.0,
			player.place + player.facing * (radius * 0.6) - side * 11.0,
		]
	)
	_draw_shape(nose, body)
	draw_circle(player.place, radius + 2.0, Palette.OUTLINE, true, -1.0, true)
	draw_circle(player.place, radius, body, true, -1.0, true)
	draw_circle(
		player.place + Vector2(-4, -5), radius * 0.38, Palette.PLAYER_LIGHT, true, -1.0, true
	)
	if player.dash_cooldown_sec > 0.0:
		var ready := 1.0 - player.dash_cooldown_sec / ArenaPlayer.DASH_COOLDOWN_SEC
		var arc := Palette.faded(Palette.PLAYER_LIGHT, 0.6)
		draw_arc(player.place, radius + 7.0, -PI / 2.0, -PI / 2.0 + TAU * ready, 32, arc, 2.0, true)


func _draw_trail(alpha: float) -> void:
	var left := Vector2.ZERO
	var right := Vector2.ZERO
	var before := Palette.faded(Palette.PLAYER, 0.0)
	for index in range(1, _trail.size()):
		var way := _trail[index] - _trail[index - 1]
		if way.length_squared() < 0.25:
			continue
		var age := float(index) / _trail.size()
		var half := way.normalized().orthogonal() * (1.0 + 11.0 * age)
		var colour := Palette.faded(Palette.PLAYER, age * age * alpha)
		if left != right:
			var quad := PackedVector2Array(
				[left, right, _trail[index] - half, _trail[index] + half]
			)
			draw_primitive(
				quad, PackedColorArray([before, before, colour, colour]), PackedVector2Array()
			)
		left = _trail[index] + half
		right = _trail[index] - half
		before = colour


func _draw_ghost() -> void:
	var colour := ghost_colour
	var way := _shown_ghost - arena.player.place
	var length := way.length()
	var steps := int(length / 14.0)
	for step in range(2, steps):
		var dot := arena.player.place + way * (float(step) / steps)
		draw_circle(dot, 1.8, Palette.faded(colour, 0.55), true, -1.0, true)
	draw_circle(_shown_ghost, ArenaPlayer.RADIUS_PX, Palette.faded(colour, 0.22), true, -1.0, true)
	draw_arc(_shown_ghost, ArenaPlayer.RADIUS_PX, 0.0, TAU, 40, colour, 2.0, true)
	draw_line(_shown_ghost - Vector2(5, 0), _shown_ghost + Vector2(5, 0), colour, 1.5, true)
	draw_line(_shown_ghost - Vector2(0, 5), _shown_ghost + Vector2(0, 5), colour, 1.5, true)
	draw_string(
		ThemeDB.fallback_font,
		_shown_ghost + Vector2(-40, 31),
		"in 0.6 s",
		HORIZONTAL_ALIGNMENT_CENTER,
		80.0,
		11,
		Palette.faded(colour, 0.8)
	)


func _draw_hunter(hunter: Hunter) -> void:
	var colour := Palette.HUNTER if hunter.hunts() else Palette.HUNTER_RESTING
	var ahead := hunter.velocity.normalized() if hunter.velocity.length() > 12.0 else Vector2.DOWN
	if not hunter.hunts():
		ahead = Vector2.DOWN
	var side := ahead.orthogonal()
	_draw_shadow(hunter.place, 17.0)
	var sway := sin(arena.tick * 0.35) * 2.0 if hunter.hunts() else 0.0
	var kite := PackedVector2Array(
		[
			hunter.place + ahead * 22.0,
			hunter.place + side * (15.0 + sway) - ahead * 6.0,
			hunter.place - ahead * 8.0,
			hunter.place - side * (15.0 - sway) - ahead * 6.0,
		]
	)
	_draw_shape(kite, colour)
	for eye: float in [-1.0, 1.0]:
		var place := hunter.place + ahead * 6.0 + side * (4.5 * eye)
		draw_circle(place, 2.4, Palette.OUTLINE if hunter.hunts() else colour.darkened(0.4))
	if not hunter.hunts():
		var rest := hunter.reload_sec / Hunter.REST_SEC
		draw_arc(hunter.place, 26.0, -PI / 2.0, -PI / 2.0 + TAU * rest, 32, colour, 2.0, true)


func _draw_archer(archer: Archer) -> void:
	var aim := archer.place.direction_to(arena.player.place)
	var since := archer.since_shot_ticks * Arena.TICK_SEC
	var recoil := maxf(0.0, 1.0 - since * 6.0)
	var place := archer.place - aim * 5.0 * recoil
	_draw_shadow(place, 17.0)
	var drawn := clampf(1.0 - archer.reload_sec / 0.7, 0.0, 1.0)
	draw_circle(place, 18.0, Palette.OUTLINE, true, -1.0, true)
	draw_circle(place, 16.0, Palette.ARCHER_DARK, true, -1.0, true)
	draw_circle(place + aim * 3.0, 11.5, Palette.ARCHER, true, -1.0, true)
	draw_circle(place + aim * 7.0, 5.5, Palette.ARCHER.lightened(0.45), true, -1.0, true)
	var grip := place + aim * 21.0
	var angle := aim.angle()
	draw_arc(place + aim * 5.0, 19.0, angle - 1.0, angle + 1.0, 20, Palette.ARROW, 3.0, true)
	var string := grip - aim * (6.0 + 12.0 * drawn)
	for end: float in [-1.0, 1.0]:
		var tip := place + aim * 5.0 + Vector2.from_angle(angle + end) * 19.0
		draw_line(tip, string, Palette.faded(Palette.ARROW, 0.7), 1.2, true)
	if drawn > 0.0:
		draw_line(string, string + aim * 26.0, Palette.faded(Palette.ARROW, drawn), 2.2, true)


func _draw_arrow(arrow: Arrow) -> void:
	var tip := arrow_place(arrow, arrow.progress())
	var tail := arrow_place(arrow, maxf(arrow.progress() - 0.05, 0.0))
	var ground := arrow.from.lerp(arrow.landing, arrow.progress())
	draw_circle(ground, 4.0, Palette.SHADOW, true, -1.0, true)
	for step in 5:
		var far := arrow_place(arrow, maxf(arrow.progress() - 0.04 * (step + 1), 0.0))
		var near := arrow_place(arrow, maxf(arrow.progress() - 0.04 * step, 0.0))
		draw_line(far, near, Palette.faded(Palette.ARROW, 0.28 * (1.0 - step / 5.0)), 3.0, true)
	var ahead := tail.direction_to(tip) if tail != tip else arrow.direction()
	var side := ahead.orthogonal()
	draw_line(tip - ahead * 24.0, tip, Palette.OUTLINE, 4.5, true)
	draw_line(tip - ahead * 24.0, tip, Palette.ARROW, 2.4, true)
	_draw_shape(
		PackedVector2Array(
			[tip + ahead * 6.0, tip - ahead * 4.0 + side * 4.5, tip - ahead * 4.0 - side * 4.5]
		),
		Palette.ARROW
	)
	for fin: float in [-1.0, 1.0]:
		var end := tip - ahead * 27.0 + side * 4.0 * fin
		draw_line(tip - ahead * 21.0, end, Palette.ARCHER, 2.0, true)


## Where [param arrow] is seen at [param progress] of its flight: over the ground, and lifted.
static func arrow_place(arrow: Arrow, progress: float) -> Vector2:
	var lift := 4.0 * progress * (1.0 - progress)
	var height := 40.0 + 0.12 * arrow.from.distance_to(arrow.landing)
	return arrow.from.lerp(arrow.landing, progress) + Vector2(0.0, -height * lift)


func _draw_cue(arrow: Arrow) -> void:
	var left := float(arrow.ticks_left) / Arena.CUE_TICKS
	var colour := Palette.DANGER.lerp(Palette.HIT, 1.0 - left)
	var radius := Arena.HIT_RADIUS_PX - ArenaPlayer.RADIUS_PX * 0.5
	draw_circle(arrow.landing, radius, Palette.faded(colour, 0.10 + 0.16 * (1.0 - left)))
	draw_arc(arrow.landing, radius, 0.0, TAU, 48, Palette.faded(colour, 0.85), 2.0, true)
	var closing := radius * (1.0 + 1.1 * left)
	draw_arc(arrow.landing, closing, 0.0, TAU, 48, Palette.faded(colour, 0.5), 1.5, true)


func _draw_shadow(place: Vector2, radius: float) -> void:
	draw_set_transform(place + Vector2(3.0, radius * 0.62), 0.0, Vector2(1.0, 0.55))
	draw_circle(Vector2.ZERO, radius, Palette.SHADOW, true, -1.0, true)
	draw_set_transform(Vector2.ZERO)


func _draw_shape(points: PackedVector2Array, colour: Color) -> void:
	draw_colored_polygon(points, colour)
	var outline := points.duplicate()
	outline.append(points[0])
	draw_polyline(outline, Palette.OUTLINE, 2.0, true)
