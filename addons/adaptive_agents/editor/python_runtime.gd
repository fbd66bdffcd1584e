## The folder with the game's own Python, as it lies in this project: found, made where there is
## none yet, and checked against the list of files in its [code]python_home.cfg[/code].

const BIN := "res://addons/adaptive_agents/bin/"
const STAGE := "res://addons/adaptive_agents/native/stage.py"
const STAGED := "res://.godot/adaptive_agents/"
const PLUGIN := "res://addons/adaptive_agents/plugin.cfg"
const HOME_FILE := "python_home.cfg"
const ADVICE := "Install the addon again; or remove that folder, if you built it, and export again."


## [code]{folder}[/code] of a runtime that is whole, or [code]{problem, is_expected}[/code]: on
## Windows and macOS the addon may come without one, and agents then stay idle.
static func find(platform: String) -> Dictionary:
	var name := "adaptive_agents." + platform
	var folder := ProjectSettings.globalize_path(BIN + name)
	if not DirAccess.dir_exists_absolute(folder):
		var python := _find_python()
		if not platform.begins_with("linux"):
			return {"is_expected": false, "problem": _describe_missing(folder, platform)}
		if python.is_empty():
			return {"is_expected": true, "problem": _describe_missing(folder, platform)}
		folder = ProjectSettings.globalize_path(STAGED + name)
		var failure := _stage(python, folder, platform)
		if not failure.is_empty():
			return {"is_expected": true, "problem": failure}
	var damage := find_damage(folder)
	if not damage.is_empty():
		return {"is_expected": true, "problem": damage + " " + ADVICE}
	return {"folder": folder}


## What makes the runtime in a folder unusable, or an empty string.
static func find_damage(folder: String) -> String:
	var home := folder.path_join(HOME_FILE)
	if not FileAccess.file_exists(home):
		return "The runtime in '%s' has no %s." % [folder, HOME_FILE]
	var is_complete := false
	for line: String in FileAccess.get_file_as_string(home).split("\n"):
		var value := line.get_slice("=", 1).strip_edges()
		match line.get_slice("=", 0):
			"version":
				var own := get_version()
				if value != own:
					return (
						"The runtime in '%s' is that of version %s, the addon is %s."
						% [folder, value, own]
					)
			"complete":
				is_complete = value == "yes"
			"file":
				var damage := _find_damaged_file(folder, line.trim_prefix("file="))
				if not damage.is_empty():
					return damage
	if not is_complete:
		return (
			"The runtime in '%s' is half written: there is no last line in '%s'." % [folder, home]
		)
	return ""


## [code]{files, bytes}[/code] of a folder.
static func measure(folder: String) -> Dictionary:
	var size := {"files": 0, "bytes": 0}
	for file: String in DirAccess.get_files_at(folder):
		size["files"] += 1
		size["bytes"] += FileAccess.get_size(folder.path_join(file))
	for inner: String in DirAccess.get_directories_at(folder):
		var more := measure(folder.path_join(inner))
		size["files"] += more["files"]
		size["bytes"] += more["bytes"]
	return size


## Deletes a folder with all that is in it.
static func remove(folder: String) -> void:
	for file: String in DirAccess.get_files_at(folder):
		DirAccess.remove_absolute(folder.path_join(file))
	for inner: String in DirAccess.get_directories_at(folder):
		remove(folder.path_join(inner))
	DirAccess.remove_absolute(folder)


## The addon's.
static func get_version() -> String:
	var plugin := ConfigFile.new()
	plugin.load(PLUGIN)
	return plugin.get_value("plugin", "version", "")


static func _find_damaged_file(folder: String, entry: String) -> String:
	var size := entry.get_slice(" ", 0).to_int()
	var path := folder.path_join(entry.substr(entry.find(" ") + 1))
	if not FileAccess.file_exists(path):
		return "The runtime lacks '%s'." % path
	var found := FileAccess.get_size(path)
	if found != size:
		return "'%s' has %d bytes instead of %d." % [path, found, size]
	return ""


static func _describe_missing(folder: String, platform: String) -> String:
	return (
		(
			"There is no Python runtime for %s: '%s' is missing. Without it the game's agents stay idle."
			+ " It comes with the addon's archive for %s."
		)
		% [platform, folder, platform.replace(".", "-")]
	)


## The interpreter that the library was built with: in a tree with an environment of its own.
static func _find_python() -> String:
	if not FileAccess.file_exists(BIN + HOME_FILE):
		return ""
	for line: String in FileAccess.get_file_as_string(BIN + HOME_FILE).split("\n"):
		if line.begins_with("path=") and line.ends_with("/site-packages"):
			var environment := (
				line.trim_prefix("path=").get_base_dir().get_base_dir().get_base_dir()
			)
			var python := environment.path_join("bin/python")
			if FileAccess.file_exists(python):
				return python
	return ""


## Returns what went wrong, or an empty string. Quick when nothing changed since the last time.
static func _stage(python: String, folder: String, platform: String) -> String:
	var script := ProjectSettings.globalize_path(STAGE)
	var output: Array = []
	var arguments: PackedStringArray = ["-E", "-s", script, "--out", folder, "--platform", platform]
	var status := OS.execute(python, arguments, output, true)
	if status == 0:
		return ""
	return (
		"'%s %s' ended with exit status %d: %s"
		% [python, " ".join(arguments), status, "".join(output).strip_edges()]
	)
