class_name Score
extends RefCounted
## What the archers achieved: arrows landed, hits, and how far off they were.

var shots := 0
var hits := 0
## Sum of the distances between landing spot and player, in pixels.
var miss_px_sum := 0.0
## How often the hunter reached the player.
var catches := 0
## Arrows landed in each second of the round.
var shots_by_second := PackedInt32Array()
## Hits in each second of the round.
var hits_by_second := PackedInt32Array()


## Counts an arrow that landed at [param tick], [param miss_px] from the player.
func add_landing(tick: int, miss_px: float, hit: bool) -> void:
	var second := int((tick - 1) * Arena.TICK_SEC)
	if shots_by_second.size() <= second:
		shots_by_second.resize(second + 1)
		hits_by_second.resize(second + 1)
	shots += 1
	shots_by_second[second] += 1
	miss_px_sum += miss_px
	if hit:
		hits += 1
		hits_by_second[second] += 1


## Hits per arrow, 0 before the first.
func hit_rate() -> float:
	return float(hits) / shots if shots > 0 else 0.0


## The mean distance between landing spot and player, in pixels, 0 before the first arrow.
func mean_miss_px() -> float:
	return miss_px_sum / shots if shots > 0 else 0.0
