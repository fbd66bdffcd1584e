class_name Arena
extends Node
## The whole game without its looks: a walled floor, one player, three archers and a hunter.
##
## The playable game and the headless simulation run this same node; what draws it
## ([ArenaView]) only reads it. Nothing here needs physics bodies: everything is a
## circle or a rectangle. Call [method advance] once per physics tick.

## An archer let an arrow go; nobody but the archers knows yet where it will land.
signal arrow_shot(arrow: Arrow)
## An arrow came down; [param hit] tells whether the player was too close.
signal arrow_landed(arrow: Arrow, hit: bool)
## The hunter reached the player.
signal player_caught(place: Vector2)

## Where an archer expects the player when its arrow lands.
enum Aim {
	NONE,  ## where the player is now
	LINEAR,  ## where the player gets to if nothing changes
	BRAIN,  ## where the predictor says
}

const TICK_SEC := 1.0 / 60.0
## The floor, in pixels; the archers' platforms lie outside it.
const BOUNDS := Rect2(0.0, 0.0, 1120.0, 560.0)
## An arrow's flight, in ticks, however far it goes. This is the agents' horizon.
const FLIGHT_TICKS := 36
## How long before it lands an arrow's spot is shown to the player, in ticks.
const CUE_TICKS := 21
## An arrow that lands nearer than this to the player's middle hits (body and splash).
const HIT_RADIUS_PX := 42.0
## The enemies think once in so many ticks, and only then act.
const DECISION_TICKS := 6

var aim := Aim.LINEAR
var player := ArenaPlayer.new()
var control := PlayerControl.new()
var archers: Array[Archer] = []
var hunter := Hunter.new()
var arrows: Array[Arrow] = []
var score := Score.new()
## Ticks since [method begin].
var tick := 0
## Everything that enemies leave to luck is drawn from here.
var luck := RandomNumberGenerator.new()

var _act_phase := 1


func _init() -> void:
	for post: Archer.Post in Archer.POSTS_BY_ARCHER:
		var archer := Archer.new(post)
		archer.name = "Archer%d" % (archers.size() + 1)
		archers.append(archer)
		add_child(archer)
	hunter.name = "Hunter"
	add_child(hunter)


## Every enemy that predicts the player, archers first.
func enemies() -> Array[Enemy]:
	var all: Array[Enemy] = []
	all.assign(archers)
	all.append(hunter)
	return all


## Sets everything back to the start; [param new_control] moves the player from now on.
func begin(new_control: PlayerControl, luck_seed: int) -> void:
	luck.seed = luck_seed
	tick = 0
	arrows.clear()
	score = Score.new()
	player = ArenaPlayer.new()
	player.place = BOUNDS.get_center()
	for archer in archers:
		archer.begin(self)
	hunter.begin(self)
	control = new_control
	control.begin(self)


## Moves everything on by one tick.
func advance() -> void:
	tick += 1
	control.steer(self)
	player.advance(BOUNDS)
	if not arrows.is_empty():
		_advance_arrows()
	for archer in archers:
		archer.advance(self)
	hunter.advance(self)


## Whether enemies act in this tick: right after they thought.
func is_acting_tick() -> bool:
	return tick % DECISION_TICKS == _act_phase


## Called by the predictors when they decided, between two ticks.
func let_enemies_act_next() -> void:
	_act_phase = (tick + 1) % DECISION_TICKS


## Lets an arrow go from [param from] that will land at [param landing].
func shoot(from: Vector2, landing: Vector2) -> void:
	var arrow := Arrow.new()
	arrow.from = from
	arrow.landing = landing.clamp(BOUNDS.position, BOUNDS.end)
	arrow.ticks_left = FLIGHT_TICKS
	arrows.append(arrow)
	arrow_shot.emit(arrow)


func _advance_arrows() -> void:
	var landed := false
	for arrow in arrows:
		arrow.ticks_left -= 1
		if arrow.ticks_left <= 0:
			landed = true
			var miss_px := arrow.landing.distance_to(player.place)
			var hit := miss_px < HIT_RADIUS_PX
			score.add_landing(tick, miss_px, hit)
			arrow_landed.emit(arrow, hit)
	if landed:
		arrows = arrows.filter(func(arrow: Arrow) -> bool: return arrow.ticks_left > 0)
