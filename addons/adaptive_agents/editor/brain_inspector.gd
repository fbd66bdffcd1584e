@tool
extends EditorInspectorPlugin
## Shows what is inside a brain above its properties, in words instead of nested dictionaries; for
## an agent, that of the brain it uses.

const BrainSummary := preload("brain_summary.gd")


func _can_handle(object: Object) -> bool:
	return object.is_class("AdaptiveBrain") or object.is_class("AdaptiveAgent")


func _parse_begin(object: Object) -> void:
	if object.is_class("AdaptiveBrain"):
		add_custom_control(BrainSummary.new(object))


func _parse_category(object: Object, category: String) -> void:
	if category == "AdaptiveAgent" and object.is_class("AdaptiveAgent"):
		var brain: Resource = object.get(&"brain")
		if brain != null:
			add_custom_control(BrainSummary.new(brain))


# The summary says it readably.
func _parse_property(
	object: Object,
	_type: Variant.Type,
	name: String,
	_hint: PropertyHint,
	_hint_string: String,
	_usage: int,
	_wide: bool
) -> bool:
	return (
		object.is_class("AdaptiveBrain") and name in ["spec", "scores", "inner_loop", "algorithm"]
	)
