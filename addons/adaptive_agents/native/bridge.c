/* Between the engine and Python: what must be a C function, and what is too hot for a crossing.
 *
 * The engine calls a function here; most go on into Python through one of the few callbacks in callbacks.h. A crossing costs
 * about a microsecond, so what happens for every agent at every tick stays on this side: observations are gathered into one
 * float32 buffer, actions are handed out from another, and what a script reads from an agent is read from its aa_instance.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef char aa_string[16];

/* The engine's functions, by the name under which the engine gives them out. */
#define INTERFACE(X)                                                                                                           \
	X(GDExtensionInterfaceVariantNewCopy, variant_new_copy)                                                                    \
	X(GDExtensionInterfaceVariantNewNil, variant_new_nil)                                                                      \
	X(GDExtensionInterfaceVariantDestroy, variant_destroy)                                                                     \
	X(GDExtensionInterfaceVariantCall, variant_call)                                                                           \
	X(GDExtensionInterfaceVariantGetType, variant_get_type)                                                                    \
	X(GDExtensionInterfaceVariantConstruct, variant_construct)                                                                 \
	X(GDExtensionInterfaceVariantCanConvertStrict, variant_can_convert_strict)                                                 \
	X(GDExtensionInterfaceVariantGetPtrDestructor, variant_get_ptr_destructor)                                                 \
	X(GDExtensionInterfaceGetVariantFromTypeConstructor, get_variant_from_type_constructor)                                    \
	X(GDExtensionInterfaceGetVariantToTypeConstructor, get_variant_to_type_constructor)                                        \
	X(GDExtensionInterfaceGetVariantGetInternalPtrFunc, variant_get_ptr_internal_getter)                                       \
	X(GDExtensionInterfaceStringNewWithUtf8CharsAndLen, string_new_with_utf8_chars_and_len)                                    \
	X(GDExtensionInterfaceStringToUtf8Chars, string_to_utf8_chars)                                                             \
	X(GDExtensionInterfaceStringNameNewWithLatin1Chars, string_name_new_with_latin1_chars)                                     \
	X(GDExtensionInterfacePackedByteArrayOperatorIndex, packed_byte_array_operator_index)                                      \
	X(GDExtensionInterfacePackedFloat32ArrayOperatorIndex, packed_float32_array_operator_index)                                \
	X(GDExtensionInterfacePackedFloat32ArrayOperatorIndexConst, packed_float32_array_operator_index_const)                     \
	X(GDExtensionInterfaceArrayOperatorIndex, array_operator_index)                                                            \
	X(GDExtensionInterfaceArrayOperatorIndexConst, array_operator_index_const)                                                 \
	X(GDExtensionInterfaceDictionaryOperatorIndex, dictionary_operator_index)                                                  \
	X(GDExtensionInterfaceGlobalGetSingleton, global_get_singleton)                                                            \
	X(GDExtensionInterfaceObjectDestroy, object_destroy)                                                                       \
	X(GDExtensionInterfaceObjectSetInstance, object_set_instance)                                                              \
	X(GDExtensionInterfaceObjectSetInstanceBinding, object_set_instance_binding)                                               \
	X(GDExtensionInterfaceObjectGetInstanceBinding, object_get_instance_binding)                                               \
	X(GDExtensionInterfaceObjectCallScriptMethod, object_call_script_method)                                                   \
	X(GDExtensionInterfaceObjectMethodBindCall, object_method_bind_call)                                                       \
	X(GDExtensionInterfaceObjectMethodBindPtrcall, object_method_bind_ptrcall)                                                 \
	X(GDExtensionInterfaceClassdbGetMethodBind, classdb_get_method_bind)                                                       \
	X(GDExtensionInterfacePrintWarningWithMessage, print_warning_with_message)                                                 \
	X(GDExtensionInterfaceRefSetObject, ref_set_object)                                                                        \
	X(GDExtensionInterfaceCallableCustomCreate2, callable_custom_create2)                                                      \
	X(GDExtensionInterfaceClassdbConstructObject2, classdb_construct_object2)                                                  \
	X(GDExtensionInterfaceClassdbRegisterExtensionClass4, classdb_register_extension_class4)                                   \
	X(GDExtensionInterfaceClassdbRegisterExtensionClassMethod, classdb_register_extension_class_method)                        \
	X(GDExtensionInterfaceClassdbRegisterExtensionClassVirtualMethod, classdb_register_extension_class_virtual_method)         \
	X(GDExtensionInterfaceClassdbRegisterExtensionClassIntegerConstant, classdb_register_extension_class_integer_constant)     \
	X(GDExtensionInterfaceClassdbRegisterExtensionClassProperty, classdb_register_extension_class_property)                    \
	X(GDExtensionInterfaceClassdbRegisterExtensionClassSignal, classdb_register_extension_class_signal)                        \
	X(GDExtensionInterfaceClassdbRegisterExtensionClassPropertyGroup, classdb_register_extension_class_property_group)         \
	X(GDExtensionInterfaceClassdbUnregisterExtensionClass, classdb_unregister_extension_class)                                 \
	X(GDExtensionInterfaceGetLibraryPath, get_library_path)                                                                    \
	X(GDExtensionInterfacePrintErrorWithMessage, print_error_with_message)                                                     \
	X(GDExtensionsInterfaceEditorHelpLoadXmlFromUtf8Chars, editor_help_load_xml_from_utf8_chars)

#define DECLARE(type, name) type name;
INTERFACE(DECLARE)

void *aa_library;

static GDExtensionVariantFromTypeConstructorFunc variant_from[GDEXTENSION_VARIANT_TYPE_VARIANT_MAX];
static GDExtensionTypeFromVariantConstructorFunc variant_to[GDEXTENSION_VARIANT_TYPE_VARIANT_MAX];
static GDExtensionVariantGetInternalPtrFunc inner[GDEXTENSION_VARIANT_TYPE_VARIANT_MAX];
static GDExtensionPtrDestructor destroy_typed[GDEXTENSION_VARIANT_TYPE_VARIANT_MAX];
static aa_string resize_name, size_name;

/* Returns 0 where the engine is too old for one of the functions. */
int aa_load_interface(GDExtensionInterfaceGetProcAddress get_proc_address, GDExtensionClassLibraryPtr library) {
	aa_library = library;
#define LOOK_UP(type, name)                                                                                                    \
	name = (type)get_proc_address(#name);                                                                                      \
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

static void on_initialize(void *userdata, GDExtensionInitializationLevel level) {
	(void)userdata;
	aa_on_level(level, 1);
}

static void on_deinitialize(void *userdata, GDExtensionInitializationLevel level) {
	(void)userdata;
	aa_on_level(level, 0);
}

void aa_fill_initialization(GDExtensionInitialization *initialization) {
	initialization->initialize = on_initialize;
	initialization->deinitialize = on_deinitialize;
}

/* ---- objects ---------------------------------------------------------------------------------------------------------------- */

static const GDExtensionInstanceBindingCallbacks no_binding_callbacks = { NULL, NULL, NULL };

aa_instance *aa_new_instance(aa_class *of, GDExtensionObjectPtr object, GDExtensionConstStringNamePtr class_name, int keep_self) {
	aa_instance *instance = calloc(1, sizeof *instance);
	instance->of = of;
	instance->object = object;
	instance->category = -1;
	aa_floats_to_variant(NULL, 0, &instance->observation);
	aa_floats_to_variant(NULL, 0, &instance->action);
	variant_new_nil(&instance->self);
	if (keep_self)
		variant_from[GDEXTENSION_VARIANT_TYPE_OBJECT](&instance->self, &instance->object);
	object_set_instance(object, class_name, instance);
	object_set_instance_binding(object, aa_library, instance, &no_binding_callbacks);
	return instance;
}

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

void aa_free_instance(aa_instance *instance) {
	for (Walk *walk = walks; walk; walk = walk->outer)
		for (int32_t i = 0; i < walk->count; ++i)
			if (walk->agents[i] == instance)
				walk->agents[i] = NULL;
	variant_destroy(&instance->observation);
	variant_destroy(&instance->action);
	variant_destroy(&instance->self);
	free(instance);
}

aa_instance *aa_instance_of(GDExtensionObjectPtr object) {
	return object ? object_get_instance_binding(object, aa_library, NULL) : NULL;
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

static GDExtensionObjectPtr on_create(void *userdata, GDExtensionBool notify) {
	(void)notify; /* NOTIFICATION_POSTINITIALIZE means nothing to the bases used here */
	return aa_on_create(((aa_class *)userdata)->index);
}

static void on_free(void *userdata, GDExtensionClassInstancePtr instance) {
	(void)userdata;
	aa_on_free(instance);
	aa_free_instance(instance);
}

static void on_notification(GDExtensionClassInstancePtr pointer, int32_t what, GDExtensionBool reversed) {
	(void)reversed;
	aa_instance *instance = pointer;
	if (what >= 0 && what < 64 && (instance->of->notifications >> what & 1))
		aa_on_notification(instance, what);
}

static void *find_virtual(void *userdata, GDExtensionConstStringNamePtr name, uint32_t hash) {
	(void)hash;
	aa_class *of = userdata;
	for (int i = 0; i < of->virtual_count; ++i)
		if (*(void *const *)of->virtual_names[i] == *(void *const *)name) /* equal StringNames share their data */
			return of->virtuals[i];
	return NULL;
}

/* ---- calls ------------------------------------------------------------------------------------------------------------------ */

static void on_call(void *userdata, GDExtensionClassInstancePtr instance, const GDExtensionConstVariantPtr *arguments, GDExtensionInt count,
		GDExtensionVariantPtr result, GDExtensionCallError *error) {
	aa_method *method = userdata;
	if (count != method->argument_count) {
		error->error = count < method->argument_count ? GDEXTENSION_CALL_ERROR_TOO_FEW_ARGUMENTS : GDEXTENSION_CALL_ERROR_TOO_MANY_ARGUMENTS;
		error->expected = method->argument_count;
		return;
	}
	for (int i = 0; i < count; ++i) {
		GDExtensionVariantType expected = method->argument_types[i], given = variant_get_type(arguments[i]);
		if (expected && given != expected && !variant_can_convert_strict(given, expected)) {
			error->error = GDEXTENSION_CALL_ERROR_INVALID_ARGUMENT;
			error->argument = i;
			error->expected = expected;
			return;
		}
	}
	error->error = GDEXTENSION_CALL_OK;
	aa_on_call(method->index, instance, arguments, result);
}

/* A call with typed pointers in place of Variants: another extension's, or one of a virtual method. */
static void on_pointer_call(void *userdata, GDExtensionClassInstancePtr instance, const GDExtensionConstTypePtr *arguments, GDExtensionTypePtr result) {
	aa_method *method = userdata;
	aa_variant values[AA_MAX_ARGUMENTS], returned;
	const void *pointers[AA_MAX_ARGUMENTS];
	for (int i = 0; i < method->argument_count; ++i) {
		pointers[i] = &values[i];
		if (method->argument_types[i])
			variant_from[method->argument_types[i]](&values[i], (void *)arguments[i]);
		else
			variant_new_copy(&values[i], arguments[i]);
	}
	variant_new_nil(&returned);
	aa_on_call(method->index, instance, pointers, &returned);
	if (method->returns_value && method->returns_reference) {
		ref_set_object(result, aa_object_in(&returned));
	} else if (method->returns_value && method->return_type == GDEXTENSION_VARIANT_TYPE_NIL) {
		variant_destroy(result);
		variant_new_copy(result, &returned);
	} else if (method->returns_value && variant_get_type(&returned) == method->return_type) {
		if (destroy_typed[method->return_type])
			destroy_typed[method->return_type](result);
		variant_to[method->return_type](result, &returned);
	}
	variant_destroy(&returned);
	for (int i = 0; i < method->argument_count; ++i)
		variant_destroy(&values[i]);
}

static void call_virtual(GDExtensionClassInstancePtr instance, GDExtensionConstStringNamePtr name, void *method,
		const GDExtensionConstTypePtr *arguments, GDExtensionTypePtr result) {
	(void)name;
	on_pointer_call(method, instance, arguments, result);
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
	info.token = aa_library;
	info.call_func = on_callable;
	callable_custom_create2(callable, &info);
	variant_from[GDEXTENSION_VARIANT_TYPE_CALLABLE](result, callable);
	destroy_typed[GDEXTENSION_VARIANT_TYPE_CALLABLE](callable);
}

void aa_fill_class(GDExtensionClassCreationInfo4 *info, aa_class *of) {
	info->is_exposed = 1;
	info->notification_func = on_notification;
	info->create_instance_func = on_create;
	info->free_instance_func = on_free;
	info->get_virtual_call_data_func = find_virtual;
	info->call_virtual_with_data_func = call_virtual;
	info->class_userdata = of;
}

void aa_fill_method(GDExtensionClassMethodInfo *info, aa_method *method) {
	info->method_userdata = method;
	info->call_func = on_call;
	info->ptrcall_func = on_pointer_call;
}
