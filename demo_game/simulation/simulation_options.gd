class_name SimulationOptions
extends RefCounted
## The command line of the headless simulation: [code]key=value[/code] words after [code]--[/code].

const _AIMS: Dictionary[String, Arena.Aim] = {
	"none": Arena.Aim.NONE, "linear": Arena.Aim.LINEAR, "brain": Arena.Aim.BRAIN
}

## One of [constant Population.ALL].
var population := Population.META_TRAIN
## Player numbers, from the first to before the last.
var from := 0
var to := 16
## Length of a session.
var seconds := 60
## How many arenas run at once.
var arenas := 16
var aim := Arena.Aim.LINEAR
## Path of the brain that the enemies use; empty for none.
var brain := ""
## Whether the enemies adapt to the player.
var adapts := false
## Directory for session files; empty to record nothing.
var record := ""
## Path of the results; empty to write none.
var results := ""
## Varies what chance does in play; habits stay.
var seed_value := 0
## What was wrong with the command line; empty if nothing was.
var problem := ""


## Reads [param words]; [member problem] says what was wrong.
static func parse(words: PackedStringArray) -> SimulationOptions:
	var options := SimulationOptions.new()
	for word in words:
		var cut := word.find("=")
		if cut < 0:
			options.problem = "'%s' is not of the form key=value" % word
			return options
		if not options._take(word.left(cut), word.substr(cut + 1)):
			return options
	options._check()
	return options


## The name of the aim mode, as on the command line.
func aim_name() -> String:
	return _AIMS.find_key(aim)


func _take(key: String, value: String) -> bool:
	match key:
		"population":
			population = value
		"brain":
			brain = value
		"record":
			record = value
		"results":
			results = value
		"aim":
			if not _AIMS.has(value):
				return _refuse(key, value, ", ".join(_AIMS.keys()))
			aim = _AIMS[value]
		"adaptation":
			if value not in ["off", "player"]:
				return _refuse(key, value, "off, player")
			adapts = value == "player"
		"from", "to", "seconds", "arenas", "seed":
			if not value.is_valid_int():
				return _refuse(key, value, "a whole number")
			set("seed_value" if key == "seed" else key, value.to_int())
		_:
			problem = (
				(
					"unknown key '%s'; known are population, from, to, seconds, arenas, aim,"
					+ " brain, adaptation, record, results, seed"
				)
				% key
			)
			return false
	return true


func _check() -> void:
	if population not in Population.ALL:
		_refuse("population", population, ", ".join(Population.ALL))
	elif from < 0 or to <= from:
		problem = "players from=%d to=%d: there is nobody in that range" % [from, to]
	elif seconds < 1 or arenas < 1:
		problem = "seconds=%d arenas=%d: both must be at least 1" % [seconds, arenas]
	elif aim == Arena.Aim.BRAIN and brain.is_empty():
		problem = "aim=brain needs brain=<path>"


func _refuse(key: String, value: String, allowed: String) -> bool:
	problem = "%s='%s' is not possible; allowed: %s" % [key, value, allowed]
	return false
