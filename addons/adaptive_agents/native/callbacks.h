/* What is called in Python. Every one of these is guarded on the Python side: see python/adaptive_agents/godot/callbacks.py. */
extern "Python" {
	int aa_on_created(aa_instance *instance);
	void aa_on_freed(aa_instance *instance);
	void aa_on_notification(aa_instance *instance, int32_t what);
	void aa_on_call(int32_t index, aa_instance *instance, const GDExtensionConstVariantPtr *arguments, GDExtensionVariantPtr result);
	void aa_on_callable(int32_t index);
	void aa_on_ending(void);
}
