class_name Archer
extends Enemy
## Lobs arrows from a platform beside the floor. Each flies for the same time and lands
## where it was aimed, so the archer must know where the player will be by then.

## Where an archer's platform is.
enum Post { LEFT, RIGHT, TOP }

const POSTS_BY_ARCHER: Array[Post] = [Post.LEFT, Post.TOP, Post.RIGHT]
const RELOAD_MIN_TICKS := 72
const RELOAD_MAX_TICKS := 108
const STRIDE_PX := 60.0
const STRIDE_SEC := 11.0

var post: Post
## Ticks since the last shot.
var since_shot_ticks := 1000


func _init(its_post: Post = Post.LEFT) -> void:
	post = its_post


## Goes to its post and loads the bow.
func begin(arena: Arena) -> void:
	reload_sec = arena.luck.randi_range(20, RELOAD_MAX_TICKS) * Arena.TICK_SEC
	since_shot_ticks = 1000
	place = _post_at(0)


## Walks its platform and shoots when the bow is loaded.
func advance(arena: Arena) -> void:
	since_shot_ticks += 1
	reload_sec = maxf(reload_sec - Arena.TICK_SEC, 0.0)
	if not arena.is_acting_tick():
		return
	if post != Post.TOP:
		place = _post_at(arena.tick)
	if reload_sec <= 0.0:
		reload_sec = (arena.luck.randi_range(RELOAD_MIN_TICKS, RELOAD_MAX_TICKS) * Arena.TICK_SEC)
		since_shot_ticks = 0
		arena.shoot(place, arena.player.place + expected_displacement(arena))


func _post_at(tick: int) -> Vector2:
	var stride := sin(tick * Arena.TICK_SEC * TAU / STRIDE_SEC) * STRIDE_PX
	match post:
		Post.LEFT:
			return Vector2(-30.0, 280.0 + stride)
		Post.RIGHT:
			return Vector2(Arena.BOUNDS.end.x + 30.0, 280.0 - stride)
	return Vector2(Arena.BOUNDS.get_center().x, -30.0)
