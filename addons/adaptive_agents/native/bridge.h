/* What Python sees of the native side: read by cffi as declarations (after objects.h), and by the compiler. See bridge.c. */

/* How a row of numbers came out. */
enum { AA_NOT_NUMBERS = -1, AA_NO_METHOD = -2, AA_FREED = -3 };

/* Looks the engine's functions up; 0 where it is too old for one. Then, when Python is ready, lets the library call it. */
int aa_load_interface(aa_host *host);
void aa_join(aa_host *host);
void aa_new_callable(aa_variant *result, int32_t index);

aa_instance *aa_instance_of(GDExtensionObjectPtr object);
GDExtensionObjectPtr aa_object_in(const aa_variant *variant);
/* The typed value inside a Variant, and a Variant made from a typed value. */
void *aa_inner(aa_variant *variant);
void aa_wrap(GDExtensionVariantType type, aa_variant *result, void *value);
int aa_type_of(const aa_variant *variant);
void aa_nil(aa_variant *variant);
void aa_clear(aa_variant *variant);
void aa_destroy(aa_variant *variant);
void aa_destroy_typed(GDExtensionVariantType type, void *value);

void aa_floats_to_variant(const float *values, int64_t count, aa_variant *result);
int64_t aa_variant_to_floats(const aa_variant *value, float *values, int64_t capacity);

/* What happens every tick, for agents that share a spec. `rows` has `size` numbers for each agent; `sizes` says how many the agent
 * gave, or one of the codes above. An agent that a script frees on the way becomes NULL in `agents`. */
/* Whether the engine lets each agent process now: its process_mode, and whether the tree is paused. */
void aa_find_able(aa_instance **agents, int32_t count, const void *can_process, GDExtensionBool *able);
void aa_gather_observations(aa_instance **agents, int32_t count, const void *observe, int32_t size, float *rows, int64_t *sizes);
void aa_gather_measurements(aa_instance **agents, int32_t count, const void *measure, int32_t size, float *rows, int64_t *sizes);
void aa_hand_out(aa_instance **agents, int32_t count, const void *emit_signal, const aa_variant *decided, const float *rows, int32_t size,
		const double *uncertainties, int is_category);
/* Gives each agent its new `loss` and emits `adapted`. */
void aa_emit_adapted(aa_instance **agents, int32_t count, const void *emit_signal, const aa_variant *adapted, double loss_before,
		double loss_after);
void aa_set_scores(aa_instance **agents, int32_t count, const double *errors, const double *confidences, const double *uncertainties);
