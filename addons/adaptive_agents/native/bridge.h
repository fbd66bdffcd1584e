/* What Python sees of the native side: read by cffi as declarations, and by the compiler. See bridge.c. */

enum { AA_MAX_ARGUMENTS = 4, AA_MAX_VIRTUALS = 8 };

/* Room for one Variant (24 bytes in single precision builds of the engine, 40 in double). */
typedef struct {
	uint64_t words[5];
} aa_variant;

/* A method as the engine calls it. `index` is its place in Python's list of callables. */
typedef struct {
	int32_t index;
	int32_t argument_count;
	GDExtensionVariantType argument_types[AA_MAX_ARGUMENTS]; /* NIL: any */
	GDExtensionBool is_static;
	GDExtensionBool returns_value;
	GDExtensionBool returns_reference; /* a RefCounted object: a pointer call returns it in a Ref */
	GDExtensionVariantType return_type;
} aa_method;

typedef struct {
	int32_t index;
	uint64_t notifications; /* bit n: Python hears notification n */
	int32_t virtual_count;
	const void *virtual_names[AA_MAX_VIRTUALS]; /* StringName of each */
	aa_method *virtuals[AA_MAX_VIRTUALS];
} aa_class;

/* One native object. The second part is an agent's: what the engine reads every tick without entering Python. */
typedef struct {
	aa_class *of;
	GDExtensionObjectPtr object;
	void *handle; /* the Python object, as a cffi handle */
	aa_variant self; /* the object itself; empty where that would keep a RefCounted alive */

	aa_variant observation; /* PackedFloat32Array */
	aa_variant action; /* PackedFloat32Array */
	int64_t category;
	double confidence;
	double loss;
	double prediction_error;
} aa_instance;

/* How a row of numbers came out. */
enum { AA_NOT_NUMBERS = -1, AA_NO_METHOD = -2, AA_FREED = -3 };

extern void *aa_library;
int aa_load_interface(GDExtensionInterfaceGetProcAddress get_proc_address, GDExtensionClassLibraryPtr library);
void aa_fill_initialization(GDExtensionInitialization *initialization);
void aa_fill_class(GDExtensionClassCreationInfo4 *info, aa_class *of);
void aa_fill_method(GDExtensionClassMethodInfo *info, aa_method *method);
/* A getter that never enters Python; `field` is the name of a number or of an array of aa_instance. Returns 0 where there is none. */
int aa_fill_native_getter(GDExtensionClassMethodInfo *info, const char *field);
void aa_new_callable(aa_variant *result, int32_t index);

aa_instance *aa_new_instance(aa_class *of, GDExtensionObjectPtr object, GDExtensionConstStringNamePtr class_name, int keep_self);
void aa_free_instance(aa_instance *instance);
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
		int is_category);
/* Gives each agent its new `loss` and emits `adapted`. */
void aa_emit_adapted(aa_instance **agents, int32_t count, const void *emit_signal, const aa_variant *adapted, double loss_before,
		double loss_after);
void aa_set_scores(aa_instance **agents, int32_t count, const double *errors, const double *confidences);
