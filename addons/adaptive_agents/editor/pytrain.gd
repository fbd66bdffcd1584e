## Where the studio's half of Adaptive Agents is on this machine: the program [code]pytrain[/code].

const SETTING := "adaptive_agents/editor/pytrain"
const PYTHON_HOME := "res://addons/adaptive_agents/bin/python_home.cfg"


## Makes the setting show in Project Settings; empty means that it is looked for.
static func add_project_setting() -> void:
	if not ProjectSettings.has_setting(SETTING):
		ProjectSettings.set_setting(SETTING, "")
	ProjectSettings.set_initial_value(SETTING, "")
	ProjectSettings.add_property_info(
		{"name": SETTING, "type": TYPE_STRING, "hint": PROPERTY_HINT_GLOBAL_FILE}
	)


## The path of the program, or an empty string where there is none; then [method get_advice] says
## what to do.
static func find() -> String:
	for path: String in _get_candidates():
		if FileAccess.file_exists(path):
			return path
	return ""


## What to tell someone on whose machine [method find] found nothing.
static func get_advice() -> String:
	return (
		(
			"There is no pytrain on this machine (looked for %s). Run `make setup` in the folder of"
			+ " Adaptive Agents, or name the program in Project Settings → %s."
		)
		% [", ".join(_get_candidates()), SETTING]
	)


static func _get_candidates() -> PackedStringArray:
	var named: String = ProjectSettings.get_setting(SETTING, "")
	if not named.is_empty():
		return [ProjectSettings.globalize_path(named)]
	var candidates := PackedStringArray([ProjectSettings.globalize_path("res://.venv/bin/pytrain")])
	# The Python that the game runs on in development; its environment usually has pytrain too.
	for line: String in FileAccess.get_file_as_string(PYTHON_HOME).split("\n"):
		if line.begins_with("path=") and line.ends_with("/site-packages"):
			var environment := (
				line.trim_prefix("path=").get_base_dir().get_base_dir().get_base_dir()
			)
			var candidate := environment.path_join("bin/pytrain")
			if candidate not in candidates:
				candidates.append(candidate)
	return candidates
