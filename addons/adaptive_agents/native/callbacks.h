/* What the engine calls in Python. Every one of these is guarded on the Python side: see python/adaptive_agents/godot/callbacks.py. */
extern "Python" {
	void aa_on_level(int32_t level, int starting);
	GDExtensionObjectPtr aa_on_create(int32_t class_index);
	void aa_on_free(aa_instance *instance);
	void aa_on_notification(aa_instance *instance, int32_t what);
	void aa_on_call(int32_t method, aa_instance *instance, const GDExtensionConstVariantPtr *arguments, GDExtensionVariantPtr result);
	void aa_on_callable(int32_t index);
}
