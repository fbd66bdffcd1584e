class_name PlayerFiles
extends RefCounted
## Where the game keeps what the archers know of each player: a profile per name.

const PROFILES := "user://profiles"
const SESSIONS := "user://sessions"
const NAME_LENGTH := 20


## Names of players with a saved profile, sorted.
static func saved_names() -> PackedStringArray:
	var names := PackedStringArray()
	if not DirAccess.dir_exists_absolute(PROFILES):
		return names
	for file in DirAccess.get_files_at(PROFILES):
		if file.get_extension() == "profile":
			names.append(file.get_basename())
	names.sort()
	return names


## The name as it can be part of a file's name; "player" if nothing is left of it.
static func clean(name: String) -> String:
	var cleaned := name.strip_edges().validate_filename().left(NAME_LENGTH)
	return cleaned if not cleaned.is_empty() else "player"


## The profile's path for a cleaned [param name].
static func profile_path(name: String) -> String:
	return PROFILES.path_join(name + ".profile")


## Loads the profile of [param name], or makes a new one; null without the addon.
static func load_profile(name: String) -> Resource:
	if not Predictors.are_available():
		return null
	DirAccess.make_dir_recursive_absolute(PROFILES)
	var profile: Resource = ClassDB.class_call_static(
		&"PlayerProfile", &"load_profile", profile_path(name)
	)
	profile.set(&"player_id", name)
	return profile


## A profile that is not kept.
static func new_profile(name: String) -> Resource:
	if not Predictors.are_available():
		return null
	var profile: Resource = ClassDB.instantiate(&"PlayerProfile")
	profile.set(&"player_id", name)
	return profile
