/* Between the engine and Python: what must be a C function, and what is too hot for a crossing.
 *
 * The engine calls a function here; most go on into Python through one of the few callbacks in callbacks.h. A crossing costs
 * about a microsecond, so what happens for every agent at every tick stays on this side: observations are gathered into one
 * float32 buffer, actions are handed out from another, and what a script reads from an agent is read from its aa_instance.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t aa_string[2]; /* a String, a StringName, a Callable, a packed array */

#define DECLARE(type, name) type name;
INTERFACE(DECLARE)

static GDExtensionClassLibraryPtr library;
static GDExtensionVariantFromTypeConstructorFunc variant_from[GDEXTENSION_VARIANT_TYPE_VARIANT_MAX];
static GDExtensionTypeFromVariantConstructorFunc variant_to[GDEXTENSION_VARIANT_TYPE_VARIANT_MAX];
static GDExtensionVariantGetInternalPtrFunc inner[GDEXTENSION_VARIANT_TYPE_VARIANT_MAX];
static GDExtensionPtrDestructor destroy_typed[GDEXTENSION_VARIANT_TYPE_VARIANT_MAX];
static aa_string resize_name, size_name;

int aa_load_interface(aa_host *host) {
	library = host->library;
#define LOOK_UP(type, name)                                                                                                    \
	name = (type)host->get_proc_address(#name);                                                                                \
	if (!name)                                                                                                                 \
		return 0;
	INTERFACE(LOOK_UP)
	for (int type = 1; type < GDEXTENSION_VARIANT_TYPE_VARIANT_MAX; ++type) {
		variant_from[type] = get_variant_from_type_constructor((GDExtensionVariantType)type);
		variant_to[type] = get_variant_to_type_constructor((GDExtensionVariantType)type);
		inner[type] = variant_get_ptr_internal_getter((GDExtensionVariantType)type);
		destroy_typed[type] = variant_get_ptr_destructor((GDExtensionVariantType)type);
	}
	string_name_new_with_latin1_chars(resize_name, "resize", 1);
	string_name_new_with_latin1_chars(size_name, "size", 1);
	return 1;
}

/* ---- objects ---------------------------------------------------------------------------------------------------------------- */

/* The arrays of agents that are being walked over just now. A script that is called on the way may free one of them. */
typedef struct Walk {
	aa_instance **agents;
	int32_t count;
	struct Walk *outer;
} Walk;

static Walk *walks;

static void begin_walk(Walk *walk, aa_instance **agents, int32_t count) {
	walk->agents = agents;
	walk->count = count;
	walk->outer = walks;
	walks = walk;
}

static void end_walk(void) {
	walks = walks->outer;
}

static void on_freed(aa_instance *instance) {
	for (Walk *walk = walks; walk; walk = walk->outer)
		for (int32_t i = 0; i < walk->count; ++i)
			if (walk->agents[i] == instance)
				walk->agents[i] = NULL;
	if (instance->handle)
		aa_on_freed(instance);
}

void aa_join(aa_host *host) {
	aa_python python = { aa_on_created, on_freed, aa_on_notification, aa_on_call, aa_on_ending };
	host->python = python;
}

aa_instance *aa_instance_of(GDExtensionObjectPtr object) {
	return object ? object_get_instance_binding(object, library, NULL) : NULL;
}

GDExtensionObjectPtr aa_object_in(const aa_variant *variant) {
	GDExtensionObjectPtr object = NULL;
	if (variant_get_type(variant) == GDEXTENSION_VARIANT_TYPE_OBJECT)
		variant_to[GDEXTENSION_VARIANT_TYPE_OBJECT](&object, (void *)variant);
	return object;
}

void *aa_inner(aa_variant *variant) {
	return inner[variant_get_type(variant)](variant);
}

void aa_wrap(GDExtensionVariantType type, aa_variant *result, void *value) {
	variant_from[type](result, value);
}

int aa_type_of(const aa_variant *variant) {
	return variant_get_type(variant);
}

void aa_nil(aa_variant *variant) {
	variant_new_nil(variant);
}

void aa_clear(aa_variant *variant) {
	variant_destroy(variant);
	variant_new_nil(variant);
}

void aa_destroy(aa_variant *variant) {
	variant_destroy(variant);
}

void aa_destroy_typed(GDExtensionVariantType type, void *value) {
	destroy_typed[type](value);
}

static void on_callable(void *userdata, const GDExtensionConstVariantPtr *arguments, GDExtensionInt count, GDExtensionVariantPtr result,
		GDExtensionCallError *error) {
	(void)arguments;
	(void)count;
	(void)result;
	error->error = GDEXTENSION_CALL_OK;
	aa_on_callable((int32_t)(intptr_t)userdata);
}

void aa_new_callable(aa_variant *result, int32_t index) {
	aa_string callable;
	GDExtensionCallableCustomInfo2 info = { 0 };
	info.callable_userdata = (void *)(intptr_t)index;
	info.token = library;
	info.call_func = on_callable;
	callable_custom_create2(callable, &info);
	variant_from[GDEXTENSION_VARIANT_TYPE_CALLABLE](result, callable);
	destroy_typed[GDEXTENSION_VARIANT_TYPE_CALLABLE](callable);
}
