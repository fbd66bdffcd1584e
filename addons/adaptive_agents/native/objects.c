/* The objects of our classes, with Python and without.
 *
 * Every call of a script or of the engine comes in here. Where the object has a Python half, the call goes on to it; where Python
 * cannot start, properties keep what is set and methods do nothing, so that scenes load, scripts compile, and every agent stays idle.
 */
#include "classes.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"

GDExtensionClassLibraryPtr aa_library;
aa_host aa_the_host;

/* What a value of a type is when nobody has set it. An object is made only where a method has to return one. */
static void make_default(aa_variant *result, int type, double number, const char *text, const char *class_name) {
	GDExtensionCallError error;
	int64_t integer = (int64_t)number;
	GDExtensionBool truth = number != 0;
	switch (type) {
		case GDEXTENSION_VARIANT_TYPE_BOOL:
			aa_wrap(GDEXTENSION_VARIANT_TYPE_BOOL, result, &truth);
			break;
		case GDEXTENSION_VARIANT_TYPE_INT:
			aa_wrap(GDEXTENSION_VARIANT_TYPE_INT, result, &integer);
			break;
		case GDEXTENSION_VARIANT_TYPE_FLOAT:
			aa_wrap(GDEXTENSION_VARIANT_TYPE_FLOAT, result, &number);
			break;
		case GDEXTENSION_VARIANT_TYPE_STRING:
			aa_wrap_text(result, text);
			break;
		case GDEXTENSION_VARIANT_TYPE_OBJECT:
			variant_new_nil(result);
			if (*class_name)
				aa_wrap_object(result, classdb_construct_object2(aa_name(class_name)));
			break;
		case GDEXTENSION_VARIANT_TYPE_NIL:
			variant_new_nil(result);
			break;
		default:
			variant_construct((GDExtensionVariantType)type, result, NULL, 0, &error);
	}
}

static GDExtensionObjectPtr object_in(const aa_variant *variant) {
	GDExtensionObjectPtr object = NULL;
	if (variant_get_type(variant) == GDEXTENSION_VARIANT_TYPE_OBJECT)
		get_variant_to_type_constructor(GDEXTENSION_VARIANT_TYPE_OBJECT)(&object, (void *)variant);
	return object;
}

/* ---- creation and end */

static const GDExtensionInstanceBindingCallbacks no_binding_callbacks = { NULL, NULL, NULL };

GDExtensionObjectPtr aa_create(void *userdata, GDExtensionBool notify) {
	const aa_class *of = userdata;
	(void)notify; /* NOTIFICATION_POSTINITIALIZE means nothing to the bases used here */
	/* The singleton is made with the classes, before anybody needs Python: it follows when somebody does. */
	int has_python = aa_the_host.singleton ? aa_join() : 0;
	GDExtensionObjectPtr object = classdb_construct_object2(aa_base_name(of));
	aa_instance *instance = calloc(1, sizeof *instance);
	instance->of = of;
	instance->class_index = aa_class_index(of);
	instance->object = object;
	instance->category = -1;
	instance->uncertainty = NAN;
	make_default(&instance->observation, GDEXTENSION_VARIANT_TYPE_PACKED_FLOAT32_ARRAY, 0, "", "");
	make_default(&instance->action, GDEXTENSION_VARIANT_TYPE_PACKED_FLOAT32_ARRAY, 0, "", "");
	variant_new_nil(&instance->self);
	if (!of->is_reference)
		aa_wrap_object(&instance->self, object);
	object_set_instance(object, aa_class_name(of), instance);
	object_set_instance_binding(object, aa_library, instance, &no_binding_callbacks);
	if (has_python)
		aa_the_host.python.created(instance);
	if (!instance->handle) {
		instance->values = calloc((size_t)of->property_count + 1, sizeof *instance->values);
		for (int i = 0; i < of->property_count; ++i)
			make_default(&instance->values[i], of->properties[i].type, of->properties[i].number, of->properties[i].text, "");
	}
	return object;
}

void aa_free(void *userdata, GDExtensionClassInstancePtr pointer) {
	aa_instance *instance = pointer;
	const aa_class *of = userdata;
	if (aa_has_joined())
		aa_the_host.python.freed(instance);
	for (int i = 0; instance->values && i < of->property_count; ++i)
		variant_destroy(&instance->values[i]);
	free(instance->values);
	variant_destroy(&instance->observation);
	variant_destroy(&instance->action);
	variant_destroy(&instance->self);
	free(instance);
}

void aa_notify(GDExtensionClassInstancePtr pointer, int32_t what, GDExtensionBool reversed) {
	aa_instance *instance = pointer;
	(void)reversed;
	if (aa_has_joined() && instance->handle && what >= 0 && what < 64 && (((const aa_class *)instance->of)->notifications >> what & 1))
		aa_the_host.python.notified(instance, what);
}

/* ---- Python joins */

enum { NOT_ASKED, JOINING, JOINED, NEVER };

static int (*join_python)(aa_host *host);
static Mutex joining = MUTEX_INITIALIZER;
static atomic_int python_state = NOT_ASKED;

void aa_may_join(int (*join)(aa_host *host)) {
	join_python = join;
	atomic_store(&python_state, join ? NOT_ASKED : NEVER);
}

int aa_has_joined(void) {
	return atomic_load(&python_state) == JOINED;
}

int aa_join(void) {
	int state = atomic_load(&python_state);
	if (state == JOINED || state == NEVER)
		return state == JOINED;
	/* A second thread that needs an object meanwhile waits for the first. */
	lock(&joining);
	state = atomic_load(&python_state);
	if (state == NOT_ASKED) {
		atomic_store(&python_state, JOINING);
		atomic_store(&python_state, join_python(&aa_the_host) ? JOINED : NEVER);
	}
	unlock(&joining);
	return aa_has_joined();
}

/* ---- calls */

static void read_field(const aa_property *property, aa_instance *instance, GDExtensionVariantPtr result) {
	void *field = (char *)instance + property->field;
	variant_destroy(result);
	if (property->type == GDEXTENSION_VARIANT_TYPE_PACKED_FLOAT32_ARRAY)
		variant_new_copy(result, field);
	else
		aa_wrap((GDExtensionVariantType)property->type, result, field);
}

/* Only an observation is set from outside. */
static void write_field(const aa_property *property, aa_instance *instance, const aa_variant *value) {
	aa_variant *held = (aa_variant *)((char *)instance + property->field);
	void *values[2];
	/* Variants share a packed array: take its values, since the game may go on changing its own. */
	get_variant_to_type_constructor(GDEXTENSION_VARIANT_TYPE_PACKED_FLOAT32_ARRAY)(values, (void *)value);
	variant_destroy(held);
	aa_wrap(GDEXTENSION_VARIANT_TYPE_PACKED_FLOAT32_ARRAY, held, values);
	variant_get_ptr_destructor(GDEXTENSION_VARIANT_TYPE_PACKED_FLOAT32_ARRAY)(values);
}

/* The one way in: arguments of the declared types, and a Variant for the result. */
static void run(const aa_method *method, aa_instance *instance, const GDExtensionConstVariantPtr *arguments, GDExtensionVariantPtr result) {
	const aa_property *property = method->property;
	if (property && property->field >= 0) {
		if (method->argument_count)
			write_field(property, instance, arguments[0]);
		else
			read_field(property, instance, result);
		return;
	}
	if (aa_join() && (!instance || instance->handle)) {
		aa_the_host.python.call(method->index, instance, arguments, result);
	} else if (property) {
		aa_variant *value = &instance->values[property - ((const aa_class *)instance->of)->properties];
		aa_variant *target = method->argument_count ? value : result;
		if (target == result && property->type == GDEXTENSION_VARIANT_TYPE_OBJECT && property->number && !object_in(value))
			make_default(value, property->type, 0, "", property->class_name);
		variant_destroy(target);
		variant_new_copy(target, method->argument_count ? arguments[0] : value);
	} else if (method->returns >= 0) {
		variant_destroy(result);
		make_default(result, method->returns, 0, "", method->return_class);
	}
}

void aa_call(void *userdata, GDExtensionClassInstancePtr instance, const GDExtensionConstVariantPtr *arguments, GDExtensionInt count,
		GDExtensionVariantPtr result, GDExtensionCallError *error) {
	const aa_method *method = userdata;
	aa_variant converted[AA_MAX_ARGUMENTS];
	const void *given[AA_MAX_ARGUMENTS];
	int conversions[AA_MAX_ARGUMENTS] = { 0 };
	error->error = GDEXTENSION_CALL_OK;
	if (count != method->argument_count) {
		error->error = count < method->argument_count ? GDEXTENSION_CALL_ERROR_TOO_FEW_ARGUMENTS : GDEXTENSION_CALL_ERROR_TOO_MANY_ARGUMENTS;
		error->expected = method->argument_count;
		return;
	}
	for (int i = 0; i < count; ++i) {
		GDExtensionVariantType expected = (GDExtensionVariantType)method->arguments[i].type, type = variant_get_type(arguments[i]);
		if (expected && type != expected && !variant_can_convert_strict(type, expected)) {
			error->error = GDEXTENSION_CALL_ERROR_INVALID_ARGUMENT;
			error->argument = i;
			error->expected = expected;
			return;
		}
	}
	/* What can be converted is let in, so it is converted: [1.0, 2.0] for a PackedFloat32Array. */
	for (int i = 0; i < count; ++i) {
		GDExtensionVariantType expected = (GDExtensionVariantType)method->arguments[i].type, type = variant_get_type(arguments[i]);
		GDExtensionCallError failed;
		conversions[i] = expected && type != expected && expected != GDEXTENSION_VARIANT_TYPE_OBJECT;
		if (conversions[i])
			variant_construct(expected, &converted[i], &arguments[i], 1, &failed);
		given[i] = conversions[i] ? &converted[i] : arguments[i];
	}
	run(method, instance, given, result);
	for (int i = 0; i < count; ++i)
		if (conversions[i])
			variant_destroy(&converted[i]);
}

/* The same with typed pointers in place of Variants, which is how typed scripts call, and how the engine calls virtual methods. */
void aa_pointer_call(void *userdata, GDExtensionClassInstancePtr instance, const GDExtensionConstTypePtr *arguments, GDExtensionTypePtr result) {
	const aa_method *method = userdata;
	aa_variant values[AA_MAX_ARGUMENTS], returned;
	const void *given[AA_MAX_ARGUMENTS];
	for (int i = 0; i < method->argument_count; ++i) {
		given[i] = &values[i];
		if (method->arguments[i].type)
			aa_wrap((GDExtensionVariantType)method->arguments[i].type, &values[i], (void *)arguments[i]);
		else
			variant_new_copy(&values[i], arguments[i]);
	}
	variant_new_nil(&returned);
	run(method, instance, given, &returned);
	if (method->returns == GDEXTENSION_VARIANT_TYPE_OBJECT) { /* all our objects that are returned are RefCounted */
		ref_set_object(result, object_in(&returned));
	} else if (method->returns == GDEXTENSION_VARIANT_TYPE_NIL) {
		variant_destroy(result);
		variant_new_copy(result, &returned);
	} else if (method->returns > 0 && (int)variant_get_type(&returned) == method->returns) {
		GDExtensionPtrDestructor destroy = variant_get_ptr_destructor((GDExtensionVariantType)method->returns);
		if (destroy)
			destroy(result);
		get_variant_to_type_constructor((GDExtensionVariantType)method->returns)(result, &returned);
	}
	variant_destroy(&returned);
	for (int i = 0; i < method->argument_count; ++i)
		variant_destroy(&values[i]);
}
