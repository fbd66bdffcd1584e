## The library with our classes: where it lies for each platform, and what to do where the engine
## has none of it.

const BIN := "res://addons/adaptive_agents/bin/"
## As in the names of our files, with the suffix of a shared library.
const SUFFIXES: Dictionary[String, String] = {
	"linux.x86_64": "so", "windows.x86_64": "dll", "macos.universal": "dylib"
}


static func get_path_for(platform: String) -> String:
	return BIN + "libadaptive_agents.%s.%s" % [platform, SUFFIXES[platform]]


## What a developer is to do so that the classes are there, or an empty string when they are.
static func find_problem() -> String:
	if ClassDB.class_exists(&"AdaptiveAgent"):
		return ""
	var platform := _get_own_platform()
	if platform not in SUFFIXES:
		return (
			"Adaptive Agents has no library for this machine (%s), only for %s."
			% [platform, ", ".join(SUFFIXES.keys())]
		)
	var library := get_path_for(platform)
	if FileAccess.file_exists(library):
		return (
			(
				"'%s' is there, but its classes are not. If the addon was added while the editor was"
				+ " open, restart the editor; if not, the engine says above why it does not load."
			)
			% library
		)
	return (
		(
			"Adaptive Agents is not whole: '%s' is missing. Unpack the addon's archive for %s into the"
			+ " project; or, with the addon's sources, run addons/adaptive_agents/native/build.py"
			+ " (README, step 1). Then restart the editor."
		)
		% [library, platform.replace(".", "-")]
	)


static func _get_own_platform() -> String:
	var system := OS.get_name().to_lower()
	return system + "." + ("universal" if system == "macos" else Engine.get_architecture_name())
