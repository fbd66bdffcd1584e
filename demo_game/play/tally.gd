class_name Tally
extends RefCounted
## Arrows and hits, counted separately for each [AimMode].

var shots := PackedInt32Array([0, 0, 0, 0])
var hits := PackedInt32Array([0, 0, 0, 0])


## Counts an arrow that was shot in [param mode].
func add(mode: int, hit: bool) -> void:
	shots[mode] += 1
	hits[mode] += 1 if hit else 0


## Hits per arrow in [param mode], 0 before the first.
func hit_rate(mode: int) -> float:
	return float(hits[mode]) / shots[mode] if shots[mode] > 0 else 0.0


## All arrows, in whatever mode.
func all_shots() -> int:
	return shots[0] + shots[1] + shots[2] + shots[3]


## All hits, in whatever mode.
func all_hits() -> int:
	return hits[0] + hits[1] + hits[2] + hits[3]
