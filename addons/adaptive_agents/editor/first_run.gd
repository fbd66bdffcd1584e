## Lets a headless editor that meets our extension for the first time end well.
##
## It ends after one frame, and aborts (exit status 134, godot#111048) while the thread that
## documents our classes is not ready. So somebody's CI waits once, in that frame. An export has no
## such frame: in a project without .godot/ it needs an import before it.

const EXTENSION_LIST := "res://.godot/extension_list.cfg"
## Ten times what the engine took to document our classes on a slow machine.
const DOCUMENTATION_MSEC := 3000


## Waits where it is needed: without a window, when the list of extensions was written by this run.
static func wait_for_documentation() -> void:
	var started := Time.get_unix_time_from_system() - Time.get_ticks_msec() / 1000.0
	var is_new := FileAccess.get_modified_time(EXTENSION_LIST) >= floori(started)
	if is_new and DisplayServer.get_name() == "headless":
		OS.delay_msec(DOCUMENTATION_MSEC)
