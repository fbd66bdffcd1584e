@tool
extends RefCounted
## What the panel shows of one [code].session[/code] file. The header is read by the native
## [SessionRecorder], which wrote it: there is one definition of the format.

const EXTENSION := "session"

var path: String
var player_id: String
var bytes: int
## Seconds since 1970, UTC.
var modified_at: int
## Why the header cannot be read, or an empty string.
var error: String


func _init(file: String) -> void:
	path = file
	modified_at = FileAccess.get_modified_time(file)
	bytes = FileAccess.get_size(file)
	var header: Dictionary = _read_header(file)
	player_id = header.get("player_id", "")
	error = header.get("error", "")


## The recordings in a folder and the folders below it, newest first.
static func find_all(folder: String) -> Array:
	var found: Array = []
	for file: String in _list_files(folder):
		found.append(new(file))
	found.sort_custom(func(a: Variant, b: Variant) -> bool: return a.modified_at > b.modified_at)
	return found


static func _list_files(folder: String) -> PackedStringArray:
	var files := PackedStringArray()
	if not DirAccess.dir_exists_absolute(folder):
		return files
	for file: String in DirAccess.get_files_at(folder):
		if file.get_extension() == EXTENSION:
			files.append(folder.path_join(file))
	for below: String in DirAccess.get_directories_at(folder):
		files.append_array(_list_files(folder.path_join(below)))
	return files


static func _read_header(file: String) -> Dictionary:
	if not ClassDB.class_exists(&"SessionRecorder"):
		return {"error": "the native library of Adaptive Agents is not loaded"}
	return ClassDB.class_call_static(&"SessionRecorder", &"describe_session", file)
