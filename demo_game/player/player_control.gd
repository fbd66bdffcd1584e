class_name PlayerControl
extends RefCounted
## What moves the player: a person ([HumanControl]) or a scripted style ([PlayerStyle]).
## This one stands still.


## Called when a round starts.
func begin(_arena: Arena) -> void:
	pass


## Called every tick; sets the wish (and perhaps the dash) of [member Arena.player].
func steer(_arena: Arena) -> void:
	pass
