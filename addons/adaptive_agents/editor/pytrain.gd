## Where the studio's half of Adaptive Agents is on this machine: the program [code]pytrain[/code].
##
## Looked for in this order: the project setting; the environment [code].venv[/code] in the project;
## in a tree that the library was built in, the environment that it was built with; PATH.

const SETTING := "adaptive_agents/editor/pytrain"
const PYTHON_HOME := "res://addons/adaptive_agents/bin/python_home.cfg"
const PLUGIN := "res://addons/adaptive_agents/plugin.cfg"


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
	for path: String in _get_candidates() + _get_candidates_on_path():
		if FileAccess.file_exists(path):
			return path
	return ""


## What to tell someone on whose machine [method find] found nothing.
static func get_advice() -> String:
	var candidates := ", ".join(_get_candidates())
	if not _get_candidates_on_path().is_empty():
		candidates += ", and on PATH"
	return (
		(
			"There is no pytrain on this machine (looked for %s). %s Or name the program in Project"
			+ " Settings → %s."
		)
		% [candidates, _how_to_install(ProjectSettings.globalize_path("res://.venv")), SETTING]
	)


## The wheel is made beside the addon's archive and has its version.
static func _how_to_install(environment: String) -> String:
	if FileAccess.file_exists(PYTHON_HOME):
		return "Run `make setup` in the folder of Adaptive Agents."
	var plugin := ConfigFile.new()
	plugin.load(PLUGIN)
	return (
		(
			"Install its wheel, which `make wheel` in Adaptive Agents writes: `python3 -m venv %s`, then"
			+ " `%s install adaptive_agents-%s-py3-none-any.whl`."
		)
		% [environment, _program_in(environment, "pip"), plugin.get_value("plugin", "version", "")]
	)


static func _get_candidates() -> PackedStringArray:
	var named: String = ProjectSettings.get_setting(SETTING, "")
	if not named.is_empty():
		return [ProjectSettings.globalize_path(named)]
	var environment := ProjectSettings.globalize_path("res://.venv")
	var candidates := PackedStringArray([_program_in(environment, "pytrain")])
	if not FileAccess.file_exists(PYTHON_HOME):
		return candidates
	# The Python that the game runs on in development; its environment usually has pytrain too.
	for line: String in FileAccess.get_file_as_string(PYTHON_HOME).split("\n"):
		if line.begins_with("path=") and line.ends_with("/site-packages"):
			environment = line.trim_prefix("path=").get_base_dir().get_base_dir().get_base_dir()
			var candidate := _program_in(environment, "pytrain")
			if candidate not in candidates:
				candidates.append(candidate)
	return candidates


static func _get_candidates_on_path() -> PackedStringArray:
	var candidates := PackedStringArray()
	if not String(ProjectSettings.get_setting(SETTING, "")).is_empty():
		return candidates
	var is_windows := OS.get_name() == "Windows"
	for folder: String in OS.get_environment("PATH").split(";" if is_windows else ":", false):
		candidates.append(folder.path_join("pytrain.exe" if is_windows else "pytrain"))
	return candidates


static func _program_in(environment: String, program: String) -> String:
	if OS.get_name() == "Windows":
		return environment.path_join("Scripts").path_join(program + ".exe")
	return environment.path_join("bin").path_join(program)
