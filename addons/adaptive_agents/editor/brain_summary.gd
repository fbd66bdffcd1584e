@tool
extends PanelContainer
## A brain in a few lines: what it sees and predicts, how it adapts, and what that gains.

const NAMES: Dictionary[String, String] = {
	"maml": "MAML",
	"fomaml": "first-order MAML",
	"reptile": "Reptile",
	"pooled": "one model for all players (no meta-learning)",
	"scratch": "untrained",
}

var _rows := GridContainer.new()


func _init(brain: Resource) -> void:
	_rows.columns = 2
	_rows.add_theme_constant_override(&"h_separation", 12)
	add_child(_rows)
	var spec: Dictionary = brain.get(&"spec")
	if spec.is_empty():
		_add_row("Brain", "Not readable: the output panel says why")
		return
	var algorithm: String = brain.get(&"algorithm")
	_add_row("Learner", NAMES.get(algorithm, algorithm))
	_add_row("Sees", ", ".join(PackedStringArray(spec["observation"])))
	_add_row("Predicts", describe_target(spec))
	_add_row("Adapts", describe_inner_loop(brain.get(&"inner_loop")))
	var scores: Dictionary = brain.get(&"scores")
	for group: String in scores:
		_add_row(group.capitalize(), describe_scores(scores[group]))


func _enter_tree() -> void:
	add_theme_stylebox_override(&"panel", get_theme_stylebox(&"PanelForeground", &"EditorStyles"))


## "player_displacement[2]", and on the next line "0.6 s ahead", from a spec as brains store it.
static func describe_target(spec: Dictionary) -> String:
	var target: Dictionary = spec["target"]
	var ahead: float = float(spec["horizon_ticks"]) / float(spec["tick_rate_hz"])
	var what := "%s[%d]" % [target["name"], target["size"]]
	if target["kind"] == "category":
		what = "%s, one of %d" % [target["name"], target["size"]]
	return "%s\n%s s ahead" % [what, String.num(ahead, 2)]


## "5 steps of 0.1 on the newest 32 examples".
static func describe_inner_loop(loop: Dictionary) -> String:
	if loop.is_empty():
		return "not at all"
	return (
		"%d steps of %s on the newest %d examples"
		% [loop["num_inner_steps"], _to_text(loop["inner_lr"]), loop["support_size"]]
	)


## One figure a line; a fall of an error shows as such.
static func describe_scores(scores: Variant) -> String:
	if scores is not Dictionary:
		return _to_text(scores)
	var figures: Dictionary = scores
	var lines := PackedStringArray()
	if figures.has("error_before") and figures.has("error_after"):
		var before: float = figures["error_before"]
		var after: float = figures["error_after"]
		var rest := 100.0 * after / before
		lines.append("error %s → %s (%.0f %%)" % [_to_text(before), _to_text(after), rest])
	for figure: String in figures:
		if figure not in ["error_before", "error_after"]:
			lines.append("%s %s" % [figure.replace("_", " "), _to_text(figures[figure])])
	return "\n".join(lines)


static func _to_text(value: Variant) -> String:
	return String.num(value, 4) if value is float else str(value)


func _add_row(title: String, text: String) -> void:
	var heading := Label.new()
	heading.text = title
	heading.modulate.a = 0.6
	heading.size_flags_vertical = SIZE_SHRINK_BEGIN
	var content := Label.new()
	content.text = text
	content.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	content.size_flags_horizontal = SIZE_EXPAND_FILL
	content.custom_minimum_size.x = 80.0
	_rows.add_child(heading)
	_rows.add_child(content)
