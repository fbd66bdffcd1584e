class_name PlayOptions
extends RefCounted
## The playable game's command line, after [code]--[/code]:
## [code]brain=PATH[/code], [code]name=NAME[/code] (starts at once),
## [code]watch=NUMBER[/code] (a scripted player of meta-test plays).

const DEFAULT_BRAIN := "res://demo_game/archer.brain"

var brain := DEFAULT_BRAIN
## Empty to ask for it.
var name := ""
## A scripted player's number, or -1 for a person.
var watch := -1


## Reads [param words]; words of others are left alone.
static func parse(words: PackedStringArray) -> PlayOptions:
	var options := PlayOptions.new()
	for word in words:
		var value := word.substr(word.find("=") + 1)
		if word.begins_with("brain="):
			options.brain = value
		elif word.begins_with("name="):
			options.name = value
		elif word.begins_with("watch=") and value.is_valid_int():
			options.watch = value.to_int()
	return options
