@tool
extends Tree
## The recorded sessions, grouped by player: how many, how large, and when.

enum Column { PLAYER, RECORDED_AT, SIZE }

const RecordedSession := preload("recorded_session.gd")


func _init() -> void:
	columns = Column.size()
	column_titles_visible = true
	hide_root = true
	select_mode = Tree.SELECT_ROW
	for column: Column in Column.values():
		set_column_title(column, ["Player", "Recorded", "Size"][column])
		set_column_title_alignment(column, HORIZONTAL_ALIGNMENT_LEFT)
	var scale := EditorInterface.get_editor_scale()
	for column: Column in [Column.RECORDED_AT, Column.SIZE] as Array[Column]:
		set_column_expand(column, false)
	set_column_custom_minimum_width(Column.RECORDED_AT, int(170 * scale))
	set_column_custom_minimum_width(Column.SIZE, int(90 * scale))


## Replaces what is shown; sessions are [code]recorded_session.gd[/code], newest first.
func show_sessions(sessions: Array) -> void:
	clear()
	var root := create_item()
	var players: Dictionary[String, TreeItem] = {}
	for session: RecordedSession in sessions:
		var player := session.player_id if session.error.is_empty() else "(cannot be read)"
		if player not in players:
			players[player] = _add_player(root, player)
		_add_session(players[player], session)
	for player: String in players:
		var item := players[player]
		item.set_text(Column.PLAYER, "%s (%d)" % [player, item.get_child_count()])


func is_empty() -> bool:
	return get_root() == null or get_root().get_child_count() == 0


## One line about all sessions.
static func summarize(sessions: Array) -> String:
	if sessions.is_empty():
		return "No sessions in user://sessions yet"
	var players: Dictionary[String, bool] = {}
	var bytes := 0
	for session: RecordedSession in sessions:
		bytes += session.bytes
		if session.error.is_empty():
			players[session.player_id] = true
	var size := String.humanize_size(bytes)
	return (
		"%s of %s, %s"
		% [_count(sessions.size(), "session"), _count(players.size(), "player"), size]
	)


static func _count(number: int, thing: String) -> String:
	return "%d %s" % [number, thing if number == 1 else thing + "s"]


func _add_player(root: TreeItem, player: String) -> TreeItem:
	var item := create_item(root)
	item.set_text(Column.PLAYER, player)
	item.collapsed = true
	return item


func _add_session(parent: TreeItem, session: RecordedSession) -> void:
	var item := create_item(parent)
	item.set_text(Column.PLAYER, session.path.get_file())
	item.set_tooltip_text(
		Column.PLAYER, session.path if session.error.is_empty() else session.error
	)
	item.set_text(Column.RECORDED_AT, _to_local_time(session.modified_at))
	item.set_text(Column.SIZE, String.humanize_size(session.bytes))
	if not session.error.is_empty():
		item.set_custom_color(Column.PLAYER, get_theme_color(&"error_color", &"Editor"))
	if parent.get_text(Column.RECORDED_AT).is_empty():
		parent.set_text(Column.RECORDED_AT, _to_local_time(session.modified_at))
	var total: int = session.bytes + int(parent.get_meta(&"bytes", 0))
	parent.set_meta(&"bytes", total)
	parent.set_text(Column.SIZE, String.humanize_size(total))


func _to_local_time(unix_time: int) -> String:
	var bias: int = Time.get_time_zone_from_system()["bias"] * 60
	return Time.get_datetime_string_from_unix_time(unix_time + bias, true).left(16)
