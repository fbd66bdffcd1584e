class_name EffectsView
extends Node2D
## What happens for a moment: splashes where arrows land, stuck arrows, rings, words, and the shake.

const _SPLASH_SEC := 0.45
const _STUCK_SEC := 2.2
const _WORD_SEC := 0.9

## How far the picture is shaken now, in pixels; the camera's owner reads it.
var shake_px := 0.0

var _marks: Array[Mark] = []


## One thing that fades.
class Mark:
	extends RefCounted
	var place: Vector2
	var direction: Vector2
	var age_sec := 0.0
	var lasts_sec := 1.0
	var hit := false
	var word := ""
	var sparks := PackedVector2Array()


## An arrow came down.
func add_landing(arrow: Arrow, hit: bool) -> void:
	var mark := _new_mark(arrow.landing, _STUCK_SEC)
	mark.direction = (arrow.landing - ActorsView.arrow_place(arrow, 0.95)).normalized()
	mark.hit = hit
	for spark in 12 if hit else 7:
		mark.sparks.append(Vector2.from_angle(randf() * TAU) * randf_range(0.45, 1.0))
	if hit:
		shake_px = 9.0
		add_word(arrow.landing + Vector2(0, -34), "HIT")


## The hunter got the player.
func add_catch(place: Vector2) -> void:
	var mark := _new_mark(place, _SPLASH_SEC)
	mark.hit = true
	for spark in 14:
		mark.sparks.append(Vector2.from_angle(randf() * TAU) * randf_range(0.6, 1.2))
	shake_px = 7.0
	add_word(place + Vector2(0, -56), "CAUGHT")


## A word that rises and fades.
func add_word(place: Vector2, word: String) -> void:
	_new_mark(place, _WORD_SEC).word = word


## Removes everything.
func clear() -> void:
	_marks.clear()
	shake_px = 0.0


func _new_mark(place: Vector2, lasts_sec: float) -> Mark:
	var mark := Mark.new()
	mark.place = place
	mark.lasts_sec = lasts_sec
	_marks.append(mark)
	return mark


func _process(delta: float) -> void:
	shake_px = maxf(shake_px - delta * 32.0, 0.0)
	for mark in _marks:
		mark.age_sec += delta
	_marks = _marks.filter(func(mark: Mark) -> bool: return mark.age_sec < mark.lasts_sec)
	queue_redraw()


func _draw() -> void:
	for mark in _marks:
		if not mark.word.is_empty():
			_draw_word(mark)
			continue
		if mark.direction != Vector2.ZERO:
			_draw_stuck_arrow(mark)
		if mark.age_sec < _SPLASH_SEC:
			_draw_splash(mark)


func _draw_splash(mark: Mark) -> void:
	var part := mark.age_sec / _SPLASH_SEC
	var colour := Palette.HIT if mark.hit else Palette.TEXT_DIM
	var fade := 1.0 - part
	var reach := (70.0 if mark.hit else 40.0) * (1.0 - fade * fade)
	draw_arc(
		mark.place, 10.0 + reach * 0.8, 0.0, TAU, 48, Palette.faded(colour, fade), 3.5 * fade, true
	)
	for spark in mark.sparks:
		var from := mark.place + spark * reach * 0.55
		draw_line(from, mark.place + spark * reach, Palette.faded(colour, fade), 2.0, true)


func _draw_stuck_arrow(mark: Mark) -> void:
	var fade := clampf((mark.lasts_sec - mark.age_sec) / 0.8, 0.0, 1.0) * 0.8
	var wobble := sin(mark.age_sec * 60.0) * exp(-mark.age_sec * 9.0) * 0.25
	var back := (-mark.direction).rotated(wobble)
	var end := mark.place + back * 22.0
	draw_circle(mark.place, 4.0, Palette.faded(Palette.SHADOW, fade))
	draw_line(mark.place, end, Palette.faded(Palette.OUTLINE, fade), 4.0, true)
	draw_line(mark.place, end, Palette.faded(Palette.ARROW, fade * 0.8), 2.2, true)
	draw_line(end - back * 6.0, end, Palette.faded(Palette.ARCHER, fade), 3.5, true)


func _draw_word(mark: Mark) -> void:
	var part := mark.age_sec / mark.lasts_sec
	var place := mark.place + Vector2(-60.0, -26.0 * part)
	var colour := Palette.faded(Palette.HIT, 1.6 * (1.0 - part))
	var font := ThemeDB.fallback_font
	draw_string_outline(
		font,
		place,
		mark.word,
		HORIZONTAL_ALIGNMENT_CENTER,
		120.0,
		18,
		6,
		Palette.faded(Palette.OUTLINE, 1.6 * (1.0 - part))
	)
	draw_string(font, place, mark.word, HORIZONTAL_ALIGNMENT_CENTER, 120.0, 18, colour)
