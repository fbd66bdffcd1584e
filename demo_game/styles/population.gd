class_name Population
extends RefCounted
## Who plays: name of the population and number determine a scripted player fully.
##
## meta-train, meta-validation and meta-test are different people with habits of the same
## six kinds; the people of unseen-family have a habit of a seventh kind.

const META_TRAIN := "meta-train"
const META_VALIDATION := "meta-validation"
const META_TEST := "meta-test"
const UNSEEN_FAMILY := "unseen-family"
const ALL: Array[String] = [META_TRAIN, META_VALIDATION, META_TEST, UNSEEN_FAMILY]

const _FAMILIES := 6


## The name under which a player's sessions and profile are kept, like meta-test-0007.
static func player_id(population: String, number: int) -> String:
	return "%s-%04d" % [population, number]


## Makes a player. [param play_seed] varies what chance does in play, never the habits.
static func make(population: String, number: int, play_seed: int) -> PlayerStyle:
	var id := player_id(population, number)
	var traits := RandomNumberGenerator.new()
	traits.seed = hash(id)
	var style := _draw(population, number, traits)
	style.chance.seed = seed_for(population, number, play_seed)
	return style


## The seed of everything that chance decides when this player plays.
static func seed_for(population: String, number: int, play_seed: int) -> int:
	return hash("%s/%d" % [player_id(population, number), play_seed])


static func _draw(population: String, number: int, traits: RandomNumberGenerator) -> PlayerStyle:
	if population == UNSEEN_FAMILY:
		return OrbitStyle.new(traits)
	match number % _FAMILIES:
		0:
			return StrafeStyle.new(traits)
		1:
			return StopAndGoStyle.new(traits)
		2:
			return PanicStyle.new(traits)
		3:
			return WallHugStyle.new(traits)
		4:
			return BaitStyle.new(traits)
	return MixtureStyle.new(traits)
