class_name AimMode
extends RefCounted
## The four ways to aim that the game compares, from dull to clever.

enum { NO_LEAD, STRAIGHT_LINE, BRAIN_AS_TRAINED, BRAIN_ADAPTING }

const COUNT := 4
const NAMES: Array[String] = ["no lead", "straight line", "brain, frozen", "brain, adapting"]
const COLOURS: Array[Color] = [Palette.TEXT_DIM, Palette.ARCHER, Palette.PLAYER, Palette.LEARNING]


## The mode that an arena is in.
static func of(aim: Arena.Aim, adapts: bool) -> int:
	match aim:
		Arena.Aim.NONE:
			return NO_LEAD
		Arena.Aim.LINEAR:
			return STRAIGHT_LINE
	return BRAIN_ADAPTING if adapts else BRAIN_AS_TRAINED
