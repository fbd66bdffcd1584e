@tool
extends PanelContainer
## A brain in a few lines: what it sees and predicts, how it adapts, and what that gains.

const NAMES: Dictionary[String, String] = {
	"memory": "memory (looks up what the player did before)",
	"bayes": "Bayesian head",
	"maml": "MAML",
	"fomaml": "first-order MAML",
	"anil": "ANIL (only the last layer adapts)",
	"reptile": "Reptile",
	"metasgd": "Meta-SGD",
	"protonet": "prototypes",
	"cavia": "CAVIA (only a context adapts)",
	"pooled": "one model for all players (no meta-learning)",
	"scratch": "untrained",
}

var _lines := VBoxContainer.new()


func _init(brain: Resource) -> void:
	_lines.add_theme_constant_override(&"separation", 0)
	add_child(_lines)
	var spec: Dictionary = brain.get(&"spec")
	if spec.is_empty():
		_add_lines("Brain", "Not readable: the output panel says why")
		return
	var algorithm: String = brain.get(&"algorithm")
	_add_lines("Learner", NAMES.get(algorithm, algorithm))
	_add_lines("Sees", describe_observation(spec))
	_add_lines("Predicts", describe_target(spec))
	_add_lines("Adapts", describe_inner_loop(brain.get(&"inner_loop")))
	var scores: Dictionary = brain.get(&"scores")
	for group: String in scores:
		_add_lines(group.capitalize(), describe_scores(scores[group]))


func _enter_tree() -> void:
	add_theme_stylebox_override(&"panel", get_theme_stylebox(&"PanelForeground", &"EditorStyles"))


## "4 numbers: to_player[2], player_velocity[2]", from a spec as brains store it.
static func describe_observation(spec: Dictionary) -> String:
	var fields := PackedStringArray(spec["observation"])
	var numbers := 0
	for field: String in fields:
		numbers += maxi(1, field.get_slice("[", 1).to_int())
	return "%d numbers: %s" % [numbers, ", ".join(fields)]


## "player_displacement[2], 0.6 s ahead", from a spec as brains store it.
static func describe_target(spec: Dictionary) -> String:
	var target: Dictionary = spec["target"]
	var ahead: float = float(spec["horizon_ticks"]) / float(spec["tick_rate_hz"])
	var what := "%s[%d]" % [target["name"], target["size"]]
	if target["kind"] == "category":
		what = "%s, one of %d" % [target["name"], target["size"]]
	return "%s, %s s ahead" % [what, String.num(ahead, 2)]


## "5 steps of 0.1 on the newest 32 examples"; brains that compute take none.
static func describe_inner_loop(loop: Dictionary) -> String:
	if loop.is_empty() or loop["num_inner_steps"] == 0:
		return "not at all"
	match loop.get("consolidation", "average"):
		"statistics":
			return "exactly, to all that the player has ever shown"
		"examples":
			return "by looking up the newest %d moments" % loop["support_size"]
	return (
		"%d steps of %s on the newest %d examples"
		% [loop["num_inner_steps"], _to_text(loop["inner_lr"]), loop["support_size"]]
	)


## "error 73.4 → 53.6 (73 %) after 20 s of play, 48 players"; other figures get a line each.
static func describe_scores(scores: Variant) -> String:
	if scores is not Dictionary:
		return _to_text(scores)
	var figures: Dictionary = scores.duplicate()
	var lines := PackedStringArray()
	if figures.has("error_before") and figures.has("error_after"):
		lines.append(_describe_gain(figures))
		for told: String in ["error_before", "error_after", "at_sec", "players", "ratio", "curve"]:
			figures.erase(told)
	for figure: String in figures:
		lines.append("%s %s" % [figure.replace("_", " "), _to_text(figures[figure])])
	return "\n".join(lines)


static func _describe_gain(figures: Dictionary) -> String:
	var before: float = figures["error_before"]
	var after: float = figures["error_after"]
	var text := "error %s → %s" % [_to_text(before), _to_text(after)]
	if before > 0.0:
		text += " (%.0f %%)" % (100.0 * after / before)
	if figures.has("at_sec"):
		text += " after %s s of play" % _to_text(figures["at_sec"])
	if figures.has("players"):
		text += ", %d players" % figures["players"]
	return text


## Three digits that count, and no more.
static func _to_text(value: Variant) -> String:
	if value is not float:
		return str(value)
	var number: float = value
	if number == 0.0 or not is_finite(number):
		return str(number)
	var decimals := 2 - floori(log(absf(number)) / log(10.0))
	return String.num(number, clampi(decimals, 0, 6)).trim_suffix(".0")


func _add_lines(title: String, text: String) -> void:
	var heading := Label.new()
	heading.text = title
	heading.modulate.a = 0.55
	var content := Label.new()
	content.text = text
	content.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	_lines.add_child(heading)
	_lines.add_child(content)
