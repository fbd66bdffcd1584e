@tool
extends EditorExportPlugin
## Puts the game's own Python beside an exported game: the folder
## [code]adaptive_agents.<platform>/[/code], where the native library looks for it.
##
## The engine lets no export plugin stop an export. What it cannot do without is a shared object
## that it was told to copy: so a problem names one that does not exist, and the export fails, from
## the dialog and with an exit status. What was written until then is taken away at the end.

const NativeLibrary := preload("native_library.gd")
const PythonRuntime := preload("python_runtime.gd")

const ADDON := "res://addons/adaptive_agents/"
const EXTENSION := ADDON + "adaptive_agents.gdextension"
const EXTENSION_LIST := "res://.godot/extension_list.cfg"
const SELECTED: Array[EditorExportPreset.ExportFilter] = [
	EditorExportPreset.EXPORT_SELECTED_SCENES, EditorExportPreset.EXPORT_SELECTED_RESOURCES
]
const STOP := "res://.godot/adaptive_agents/this export was stopped, see the message above"
const CATEGORY := "Adaptive Agents"
## What a game needs of the addon inside its .pck; the rest is for the editor.
const IN_THE_GAME: PackedStringArray = ["gdextension", "svg"]
## Where the runtime goes: "" is beside the executable. A bundle of macOS takes nothing but code
## beside its libraries.
const TARGETS: Dictionary[String, String] = {
	"linux.x86_64": "", "windows.x86_64": "", "macos.universal": "Contents/Resources"
}
const PLATFORM_FEATURES: PackedStringArray = [
	"linux",
	"windows",
	"macos",
	"web",
	"android",
	"ios",
	"visionos",
	"x86_64",
	"x86_32",
	"arm64",
	"arm32",
	"rv64",
	"ppc64",
	"ppc32",
	"loongarch64",
	"wasm32",
]

var _path: String = ""
var _folder: String = ""
var _library: String = ""
var _adds_extension: bool = false
var _is_stopped: bool = false


func _get_name() -> String:
	return "AdaptiveAgentsRuntime"


func _export_begin(features: PackedStringArray, _is_debug: bool, path: String, _flags: int) -> void:
	_path = path
	_folder = ""
	_adds_extension = false
	_is_stopped = false
	if path.get_extension() == "pck":
		return  # data alone, for a game that was exported before
	if _is_named_in(get_export_preset().get_exclude_filter()):
		_tell(
			EditorExportPlatform.EXPORT_MESSAGE_INFO,
			"Left out, as the preset's exclude filter wants it."
		)
		return
	var platform := _find_platform(features)
	var problem := _find_problem(platform, features)
	if problem.is_empty():
		_add_extension()
		problem = _add_runtime(platform)
	if not problem.is_empty():
		_stop(problem)


func _export_file(path: String, _type: String, _features: PackedStringArray) -> void:
	if _adds_extension and path.get_extension() == "gdextension" and path != EXTENSION:
		# The engine writes a list of its own then, and that one names only what was not left out.
		_stop(
			(
				"This preset takes '%s' along, but not '%s'. Add *.gdextension to its include filter."
				% [path, EXTENSION]
			)
		)
	if path.begins_with(ADDON) and path.get_extension() not in IN_THE_GAME:
		skip()


func _export_end() -> void:
	if _is_stopped:
		_remove_half_written()
		return
	var target := _path.get_base_dir().path_join(_folder.get_file())
	if _folder.is_empty() or not DirAccess.dir_exists_absolute(target):
		return  # no runtime, or one in an archive or bundle that the engine has closed already
	var damage: String = PythonRuntime.find_damage(target)
	if not damage.is_empty():
		_tell(
			EditorExportPlatform.EXPORT_MESSAGE_ERROR,
			"The runtime was not copied whole, perhaps for want of room: " + damage
		)
		PythonRuntime.remove(target)
		_remove_half_written()


## As in the names of our files: "linux.x86_64". An empty string where the addon has none.
func _find_platform(features: PackedStringArray) -> String:
	for platform: String in TARGETS:
		var parts := platform.split(".")
		if parts[0] in features and (parts[1] in features or parts[1] == "universal"):
			return platform
	return ""


func _find_problem(platform: String, features: PackedStringArray) -> String:
	if platform.is_empty():
		return (
			(
				"There are no Adaptive Agents for this preset (%s): the addon runs on %s. Choose one of"
				+ " them, or take the addon out of this game."
			)
			% [_describe(features), ", ".join(TARGETS.keys())]
		)
	var copies: PackedStringArray = []
	for line: String in FileAccess.get_file_as_string(EXTENSION_LIST).split("\n"):
		if line.get_file() == EXTENSION.get_file() and FileAccess.file_exists(line):
			copies.append(line)
	if copies.size() > 1:
		return (
			"This project has the addon %d times: %s. Keep the one in %s."
			% [copies.size(), ", ".join(copies), ADDON]
		)
	_library = NativeLibrary.get_path_for(platform)
	if not FileAccess.file_exists(_library):
		return (
			(
				"'%s' is missing: without it no script that names an adaptive class can be read. Take it from"
				+ " the addon's archive, or build it with native/build.py."
			)
			% _library
		)
	return ""


## What of a preset's features names the platform: "web.wasm32".
func _describe(features: PackedStringArray) -> String:
	var named: PackedStringArray = []
	for feature: String in PLATFORM_FEATURES:
		if feature in features:
			named.append(feature)
	return ".".join(named)


## With [i]Export selected scenes[/i] the engine leaves extensions out (godot#119702), and then no
## script that names one of our classes can be read.
func _add_extension() -> void:
	var preset := get_export_preset()
	_adds_extension = (
		preset.get_export_filter() in SELECTED and not _is_named_in(preset.get_include_filter())
	)
	if _adds_extension:
		add_file(EXTENSION, FileAccess.get_file_as_bytes(EXTENSION), false)
		add_file(EXTENSION_LIST, (EXTENSION + "\n").to_utf8_buffer(), false)
		add_shared_object(ProjectSettings.globalize_path(_library), [], "")


## Whether one of a preset's filters names our extension: "*.gdextension, addons/*".
func _is_named_in(filter: String) -> bool:
	for pattern: String in filter.split(",", false):
		for name: String in [EXTENSION, EXTENSION.trim_prefix("res://"), EXTENSION.get_file()]:
			if name.matchn(pattern.strip_edges()):
				return true
	return false


## Returns what is wrong, or an empty string.
func _add_runtime(platform: String) -> String:
	var runtime: Dictionary = PythonRuntime.find(platform)
	if runtime.has("problem") and runtime["is_expected"]:
		return runtime["problem"]
	if runtime.has("problem"):
		_tell(EditorExportPlatform.EXPORT_MESSAGE_WARNING, runtime["problem"])
		return ""
	_folder = runtime["folder"]
	var size: Dictionary = PythonRuntime.measure(_folder)
	var room := _get_room()
	if room < size["bytes"]:
		return (
			"No room for the runtime: it takes %.1f MB, and '%s' has %.1f MB left."
			% [size["bytes"] / 1e6, _path.get_base_dir(), room / 1e6]
		)
	add_shared_object(_folder, [], TARGETS[platform])
	_tell(
		EditorExportPlatform.EXPORT_MESSAGE_INFO,
		(
			"Adds the Python runtime %s: %d files, %.1f MB."
			% [_folder.get_file(), size["files"], size["bytes"] / 1e6]
		)
	)
	return ""


func _get_room() -> int:
	var folder := DirAccess.open(_path.get_base_dir())
	return folder.get_space_left() if folder else 1 << 62


func _stop(problem: String) -> void:
	_is_stopped = true
	_tell(EditorExportPlatform.EXPORT_MESSAGE_ERROR, problem)
	add_shared_object(STOP, [], "")


func _tell(type: EditorExportPlatform.ExportMessageType, message: String) -> void:
	get_export_platform().add_message(type, CATEGORY, message)


func _remove_half_written() -> void:
	var library := _path.get_base_dir().path_join(_library.get_file())
	for written: String in [_path, _path.get_basename() + ".pck", library]:
		if FileAccess.file_exists(written):
			DirAccess.remove_absolute(written)
