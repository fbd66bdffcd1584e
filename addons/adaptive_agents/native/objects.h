/* What the library and the bridge share: the objects of our classes, and how Python joins them. Read by both compilations, and by cffi.
 *
 * The library (classes.c, objects.c) registers the classes and owns every object; without Python its objects stay idle. When the first
 * of them is needed, entry.c imports the package, and the bridge fills in an aa_python: from then on what is called goes there. */

enum { AA_MAX_ARGUMENTS = 4 };

/* Room for one Variant (24 bytes in single precision builds of the engine, 40 in double). */
typedef struct {
	uint64_t words[5];
} aa_variant;

/* One object of our classes. */
typedef struct {
	const void *of; /* its aa_class (classes.h) */
	int32_t class_index; /* the place of its class in that table, and in Python's list */
	GDExtensionObjectPtr object;
	void *handle; /* the Python object, as a cffi handle; NULL: idle */
	aa_variant self; /* the object itself; empty where that would keep a RefCounted alive */
	aa_variant *values; /* what its properties hold while it is idle */

	/* An agent's: what the engine reads every tick without entering Python. */
	aa_variant observation; /* PackedFloat32Array */
	aa_variant action; /* PackedFloat32Array */
	int64_t category;
	double confidence;
	double uncertainty; /* NaN: not known */
	double loss;
	double prediction_error;
} aa_instance;

/* What Python does for the library. */
typedef struct {
	int (*created)(aa_instance *instance); /* makes the Python half; 0 where that failed */
	void (*freed)(aa_instance *instance);
	void (*notified)(aa_instance *instance, int32_t what);
	void (*call)(int32_t index, aa_instance *instance, const GDExtensionConstVariantPtr *arguments, GDExtensionVariantPtr result);
	void (*ending)(void); /* the engine is about to exit */
} aa_python;

/* What the library gives to Python. */
typedef struct {
	GDExtensionInterfaceGetProcAddress get_proc_address;
	GDExtensionClassLibraryPtr library;
	const char *digest; /* of the class declarations it was built with */
	aa_instance *singleton; /* made before Python joined */
	aa_python python;
} aa_host;
