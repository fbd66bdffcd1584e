class_name Palette
extends RefCounted
## The colours of the game: a calm dark floor, the player cool, enemies warm.

const BACKGROUND := Color("12151c")
const FLOOR := Color("1c212b")
const FLOOR_TILE := Color("20262f")
const WALL := Color("39424f")
const WALL_EDGE := Color("56616f")
const SHADOW := Color(0.0, 0.0, 0.0, 0.35)
const OUTLINE := Color("0e1117")

const PLAYER := Color("4fd6c4")
const PLAYER_LIGHT := Color("c9fff6")
const ARCHER := Color("f2a65a")
const ARCHER_DARK := Color("a8642a")
const HUNTER := Color("e0566f")
const HUNTER_RESTING := Color("7d5560")
const ARROW := Color("f4ead5")
const DANGER := Color("ffca5c")
const HIT := Color("ff5d5d")
const LEARNING := Color("a992ff")

const PANEL := Color("191e27")
const PANEL_EDGE := Color("2d3542")
const TEXT := Color("e6ebf2")
const TEXT_DIM := Color("8b97a8")
const GOOD := Color("7bd88f")


## [param colour] at [param alpha] of its opacity.
static func faded(colour: Color, alpha: float) -> Color:
	return Color(colour, colour.a * clampf(alpha, 0.0, 1.0))
