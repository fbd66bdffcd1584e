class_name HumanControl
extends PlayerControl
## A person at the keyboard or gamepad.


func steer(arena: Arena) -> void:
	arena.player.wish = Input.get_vector(&"move_left", &"move_right", &"move_up", &"move_down")
	if Input.is_action_just_pressed(&"dash"):
		arena.player.wants_dash = true
