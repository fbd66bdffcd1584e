/* The addon's classes without Python: scenes load, scripts compile, and every agent stays idle.
 *
 * Where CPython cannot start, entry.c has printed why, once. A game's scripts name our classes, though, and would not even compile
 * without them. So the classes are registered here with the same properties, methods, signals and constants (idle_classes.h,
 * which build.py makes from the Python declarations); properties keep what is set, methods do nothing.
 */
#include "idle.h"

#include <stdlib.h>
#include <string.h>

#include "idle_classes.h"

#define INTERFACE(X)                                                                                                           \
	X(GDExtensionInterfaceVariantNewCopy, variant_new_copy)                                                                    \
	X(GDExtensionInterfaceVariantNewNil, variant_new_nil)                                                                      \
	X(GDExtensionInterfaceVariantDestroy, variant_destroy)                                                                     \
	X(GDExtensionInterfaceVariantCall, variant_call)                                                                           \
	X(GDExtensionInterfaceVariantGetType, variant_get_type)                                                                    \
	X(GDExtensionInterfaceRefSetObject, ref_set_object)                                                                        \
	X(GDExtensionInterfaceVariantConstruct, variant_construct)                                                                 \
	X(GDExtensionInterfaceGetVariantFromTypeConstructor, get_variant_from_type_constructor)                                    \
	X(GDExtensionInterfaceGetVariantToTypeConstructor, get_variant_to_type_constructor)                                        \
	X(GDExtensionInterfaceVariantGetPtrDestructor, variant_get_ptr_destructor)                                                 \
	X(GDExtensionInterfaceStringNewWithUtf8Chars, string_new_with_utf8_chars)                                                  \
	X(GDExtensionInterfaceStringNameNewWithLatin1Chars, string_name_new_with_latin1_chars)                                     \
	X(GDExtensionInterfaceGlobalGetSingleton, global_get_singleton)                                                            \
	X(GDExtensionInterfaceObjectDestroy, object_destroy)                                                                       \
	X(GDExtensionInterfaceObjectSetInstance, object_set_instance)                                                              \
	X(GDExtensionInterfaceClassdbConstructObject2, classdb_construct_object2)                                                  \
	X(GDExtensionInterfaceClassdbRegisterExtensionClass4, classdb_register_extension_class4)                                   \
	X(GDExtensionInterfaceClassdbRegisterExtensionClassMethod, classdb_register_extension_class_method)                        \
	X(GDExtensionInterfaceClassdbRegisterExtensionClassVirtualMethod, classdb_register_extension_class_virtual_method)         \
	X(GDExtensionInterfaceClassdbRegisterExtensionClassIntegerConstant, classdb_register_extension_class_integer_constant)     \
	X(GDExtensionInterfaceClassdbRegisterExtensionClassProperty, classdb_register_extension_class_property)                    \
	X(GDExtensionInterfaceClassdbRegisterExtensionClassSignal, classdb_register_extension_class_signal)                        \
	X(GDExtensionInterfaceClassdbUnregisterExtensionClass, classdb_unregister_extension_class)

#define DECLARE(type, name) static type name;
INTERFACE(DECLARE)

#define FLAG_VIRTUAL 8
#define USAGE_ANY_TYPE (1 << 17)
#define CLASS_COUNT ((int)(sizeof idle_classes / sizeof *idle_classes))

typedef struct {
	uint64_t words[5];
} Value; /* room for a Variant */

typedef struct {
	const IdleClass *of;
	Value values[];
} Instance;

static GDExtensionClassLibraryPtr own_library;
static Value loader, singleton;

/* Names and texts are few and live as long as the process. */
static void *name_of(const char *text) {
	void *name = calloc(1, sizeof(void *));
	string_name_new_with_latin1_chars(name, text, 1);
	return name;
}

static void wrap(GDExtensionVariantType type, Value *result, void *value) {
	get_variant_from_type_constructor(type)(result, value);
}

static void wrap_object(Value *result, GDExtensionObjectPtr object) {
	wrap(GDEXTENSION_VARIANT_TYPE_OBJECT, result, &object);
}

static void wrap_name(Value *result, const char *text) {
	wrap(GDEXTENSION_VARIANT_TYPE_STRING_NAME, result, name_of(text));
}

/* What a value of a type is when nobody has set it. An object is made only where a method has to return one. */
static void make_default(Value *result, int type, double number, const char *class_name) {
	GDExtensionCallError error;
	int64_t integer = (int64_t)number;
	GDExtensionBool truth = number != 0;
	switch (type) {
		case GDEXTENSION_VARIANT_TYPE_BOOL:
			wrap(GDEXTENSION_VARIANT_TYPE_BOOL, result, &truth);
			break;
		case GDEXTENSION_VARIANT_TYPE_INT:
			wrap(GDEXTENSION_VARIANT_TYPE_INT, result, &integer);
			break;
		case GDEXTENSION_VARIANT_TYPE_FLOAT:
			wrap(GDEXTENSION_VARIANT_TYPE_FLOAT, result, &number);
			break;
		case GDEXTENSION_VARIANT_TYPE_OBJECT:
			variant_new_nil(result);
			if (*class_name)
				wrap_object(result, classdb_construct_object2(name_of(class_name)));
			break;
		case GDEXTENSION_VARIANT_TYPE_NIL:
			variant_new_nil(result);
			break;
		default:
			variant_construct((GDExtensionVariantType)type, result, NULL, 0, &error);
	}
}

static void call_singleton(const char *object, const char *method, const Value *first, const Value *second) {
	Value self, nothing;
	GDExtensionCallError error;
	const void *arguments[] = { first, second };
	wrap_object(&self, global_get_singleton(name_of(object)));
	variant_call(&self, name_of(method), arguments, second ? 2 : 1, &nothing, &error);
	variant_destroy(&nothing);
	variant_destroy(&self);
}

/* ---- what the engine calls */

static GDExtensionObjectPtr on_create(void *userdata, GDExtensionBool notify) {
	const IdleClass *of = userdata;
	GDExtensionObjectPtr object = classdb_construct_object2(name_of(of->base));
	Instance *instance = calloc(1, sizeof *instance + of->property_count * sizeof(Value));
	(void)notify;
	instance->of = of;
	for (int i = 0; i < of->property_count; ++i)
		make_default(&instance->values[i], of->properties[i].type, of->properties[i].value, "");
	object_set_instance(object, name_of(of->name), instance);
	return object;
}

static void on_free(void *userdata, GDExtensionClassInstancePtr pointer) {
	Instance *instance = pointer;
	(void)userdata;
	for (int i = 0; i < instance->of->property_count; ++i)
		variant_destroy(&instance->values[i]);
	free(instance);
}

static void on_get(void *userdata, GDExtensionClassInstancePtr pointer, const GDExtensionConstVariantPtr *arguments, GDExtensionInt count,
		GDExtensionVariantPtr result, GDExtensionCallError *error) {
	Instance *instance = pointer;
	(void)arguments, (void)count;
	error->error = GDEXTENSION_CALL_OK;
	variant_destroy(result);
	variant_new_copy(result, &instance->values[(const IdleProperty *)userdata - instance->of->properties]);
}

static void on_set(void *userdata, GDExtensionClassInstancePtr pointer, const GDExtensionConstVariantPtr *arguments, GDExtensionInt count,
		GDExtensionVariantPtr result, GDExtensionCallError *error) {
	Instance *instance = pointer;
	Value *value = &instance->values[(const IdleProperty *)userdata - instance->of->properties];
	(void)result;
	error->error = count == 1 ? GDEXTENSION_CALL_OK : GDEXTENSION_CALL_ERROR_TOO_FEW_ARGUMENTS;
	if (count != 1)
		return;
	variant_destroy(value);
	variant_new_copy(value, arguments[0]);
}

static void on_call(void *userdata, GDExtensionClassInstancePtr instance, const GDExtensionConstVariantPtr *arguments, GDExtensionInt count,
		GDExtensionVariantPtr result, GDExtensionCallError *error) {
	const IdleMethod *method = userdata;
	(void)instance, (void)arguments, (void)count;
	error->error = GDEXTENSION_CALL_OK;
	if (method->returns < 0)
		return;
	variant_destroy(result);
	make_default(result, method->returns, 0, method->return_class);
}

/* The same with typed pointers in place of Variants, which is how typed scripts call. Takes the value away. */
static void return_typed(GDExtensionTypePtr result, int type, Value *value) {
	GDExtensionObjectPtr object = NULL;
	if (type == GDEXTENSION_VARIANT_TYPE_NIL) {
		variant_destroy(result);
		variant_new_copy(result, value);
	} else if (type == GDEXTENSION_VARIANT_TYPE_OBJECT) { /* all our objects that are returned are RefCounted */
		if (variant_get_type(value) == GDEXTENSION_VARIANT_TYPE_OBJECT)
			get_variant_to_type_constructor(GDEXTENSION_VARIANT_TYPE_OBJECT)(&object, value);
		ref_set_object(result, object);
	} else {
		if (variant_get_ptr_destructor((GDExtensionVariantType)type))
			variant_get_ptr_destructor((GDExtensionVariantType)type)(result);
		get_variant_to_type_constructor((GDExtensionVariantType)type)(result, value);
	}
	variant_destroy(value);
}

static void on_pointer_get(void *userdata, GDExtensionClassInstancePtr pointer, const GDExtensionConstTypePtr *arguments,
		GDExtensionTypePtr result) {
	const IdleProperty *property = userdata;
	Instance *instance = pointer;
	Value value;
	(void)arguments;
	variant_new_copy(&value, &instance->values[property - instance->of->properties]);
	return_typed(result, property->type, &value);
}

static void on_pointer_set(void *userdata, GDExtensionClassInstancePtr pointer, const GDExtensionConstTypePtr *arguments,
		GDExtensionTypePtr result) {
	const IdleProperty *property = userdata;
	Instance *instance = pointer;
	Value *value = &instance->values[property - instance->of->properties];
	(void)result;
	variant_destroy(value);
	wrap((GDExtensionVariantType)property->type, value, (void *)arguments[0]);
}

static void on_pointer_call(void *userdata, GDExtensionClassInstancePtr instance, const GDExtensionConstTypePtr *arguments,
		GDExtensionTypePtr result) {
	const IdleMethod *method = userdata;
	Value value;
	(void)instance, (void)arguments;
	if (method->returns < 0)
		return;
	make_default(&value, method->returns, 0, method->return_class);
	return_typed(result, method->returns, &value);
}

/* ---- the loader of .brain files: an AdaptiveBrain without content for each */

static void load_brain(GDExtensionClassInstancePtr instance, const GDExtensionConstTypePtr *arguments, GDExtensionTypePtr result) {
	(void)instance, (void)arguments;
	variant_destroy(result);
	wrap_object(result, classdb_construct_object2(name_of("AdaptiveBrain")));
}

static void recognise_extension(GDExtensionClassInstancePtr instance, const GDExtensionConstTypePtr *arguments, GDExtensionTypePtr result) {
	Value extension, array, nothing;
	GDExtensionCallError error;
	void *text[1];
	const void *appended[] = { &extension };
	(void)instance, (void)arguments;
	string_new_with_utf8_chars(text, "brain");
	wrap(GDEXTENSION_VARIANT_TYPE_STRING, &extension, text);
	variant_get_ptr_destructor(GDEXTENSION_VARIANT_TYPE_STRING)(text);
	variant_construct(GDEXTENSION_VARIANT_TYPE_PACKED_STRING_ARRAY, &array, NULL, 0, &error);
	variant_call(&array, name_of("append"), appended, 1, &nothing, &error);
	variant_get_ptr_destructor(GDEXTENSION_VARIANT_TYPE_PACKED_STRING_ARRAY)(result);
	get_variant_to_type_constructor(GDEXTENSION_VARIANT_TYPE_PACKED_STRING_ARRAY)(result, &array);
	variant_destroy(&nothing);
	variant_destroy(&array);
	variant_destroy(&extension);
}

static void handle_type(GDExtensionClassInstancePtr instance, const GDExtensionConstTypePtr *arguments, GDExtensionTypePtr result) {
	(void)instance;
	*(GDExtensionBool *)result = *(void *const *)arguments[0] == *(void **)name_of("AdaptiveBrain") ||
			*(void *const *)arguments[0] == *(void **)name_of("Resource");
}

static GDExtensionClassCallVirtual find_loader_virtual(void *userdata, GDExtensionConstStringNamePtr name, uint32_t hash) {
	static const struct {
		const char *name;
		GDExtensionClassCallVirtual function;
	} virtuals[] = {
		{ "_load", load_brain },
		{ "_get_recognized_extensions", recognise_extension },
		{ "_handles_type", handle_type },
	};
	(void)userdata, (void)hash;
	for (size_t i = 0; i < sizeof virtuals / sizeof *virtuals; ++i)
		if (*(void *const *)name == *(void **)name_of(virtuals[i].name)) /* equal StringNames share their data */
			return virtuals[i].function;
	return NULL;
}

static const IdleClass loader_class = { "AdaptiveBrainLoader", "ResourceFormatLoader", 0, NULL, 0, NULL, 0, NULL, 0, NULL };

/* ---- registration */

static GDExtensionPropertyInfo describe(const char *name, int type, const char *class_name, int hint, const char *hint_text, unsigned usage) {
	GDExtensionPropertyInfo info = { (GDExtensionVariantType)type, name_of(name), name_of(class_name), (uint32_t)hint, NULL, usage };
	info.hint_string = calloc(1, sizeof(void *));
	string_new_with_utf8_chars(info.hint_string, hint_text);
	if (type == GDEXTENSION_VARIANT_TYPE_NIL)
		info.usage |= USAGE_ANY_TYPE;
	return info;
}

static void register_class(const IdleClass *of, GDExtensionClassGetVirtual2 find_virtual) {
	GDExtensionClassCreationInfo4 info;
	memset(&info, 0, sizeof info);
	info.is_exposed = 1;
	info.create_instance_func = on_create;
	info.free_instance_func = on_free;
	info.get_virtual_func = find_virtual;
	info.class_userdata = (void *)of;
	classdb_register_extension_class4(own_library, name_of(of->name), name_of(of->base), &info);
}

static void register_method(const IdleClass *of, const IdleMethod *method, GDExtensionClassMethodCall call,
		GDExtensionClassMethodPtrCall pointer_call, void *userdata) {
	GDExtensionPropertyInfo arguments[IDLE_MAX_ARGUMENTS], returned;
	GDExtensionClassMethodArgumentMetadata metadata[IDLE_MAX_ARGUMENTS] = { 0 };
	for (int i = 0; i < method->argument_count; ++i)
		arguments[i] = describe(method->arguments[i].name, method->arguments[i].type, method->arguments[i].class_name, 0, "", 6);
	returned = describe("", method->returns < 0 ? 0 : method->returns, method->return_class, 0, "", 6);
	if (method->flags & FLAG_VIRTUAL) {
		GDExtensionClassVirtualMethodInfo info = { name_of(method->name), method->flags, returned, metadata[0],
			(uint32_t)method->argument_count, arguments, metadata };
		classdb_register_extension_class_virtual_method(own_library, name_of(of->name), &info);
	} else {
		GDExtensionClassMethodInfo info = { name_of(method->name), userdata, call, pointer_call, method->flags, method->returns >= 0,
			&returned, metadata[0], (uint32_t)method->argument_count, arguments, metadata, 0, NULL };
		classdb_register_extension_class_method(own_library, name_of(of->name), &info);
	}
}

static void register_members(const IdleClass *of) {
	for (int i = 0; i < of->constant_count; ++i)
		classdb_register_extension_class_integer_constant(own_library, name_of(of->name), name_of(of->constants[i].enumeration),
				name_of(of->constants[i].name), of->constants[i].value, 0);
	for (int i = 0; i < of->method_count; ++i)
		register_method(of, &of->methods[i], on_call, on_pointer_call, (void *)&of->methods[i]);
	for (int i = 0; i < of->property_count; ++i) {
		const IdleProperty *property = &of->properties[i];
		IdleMethod getter = { property->getter, 1 | 4, property->type, property->class_name, 0, { { 0 } } };
		IdleMethod setter = { property->setter, 1, -1, "", 1, { { property->name, property->type, property->class_name } } };
		register_method(of, &getter, on_get, on_pointer_get, (void *)property);
		if (*property->setter)
			register_method(of, &setter, on_set, on_pointer_set, (void *)property);
		GDExtensionPropertyInfo info = describe(property->name, property->type, property->class_name, property->hint, property->hint_text,
				property->usage);
		classdb_register_extension_class_property(own_library, name_of(of->name), &info, name_of(property->setter),
				name_of(property->getter));
	}
	for (int i = 0; i < of->signal_count; ++i) {
		const IdleMethod *emitted = &of->signals[i];
		GDExtensionPropertyInfo arguments[IDLE_MAX_ARGUMENTS];
		for (int j = 0; j < emitted->argument_count; ++j)
			arguments[j] = describe(emitted->arguments[j].name, emitted->arguments[j].type, emitted->arguments[j].class_name, 0, "", 6);
		classdb_register_extension_class_signal(own_library, name_of(of->name), name_of(emitted->name), arguments, emitted->argument_count);
	}
}

static void on_initialize(void *userdata, GDExtensionInitializationLevel level) {
	Value at_front, called;
	GDExtensionBool yes = 1;
	(void)userdata;
	if (level != GDEXTENSION_INITIALIZATION_SCENE)
		return;
	/* All classes before their members, which name one another. */
	for (int i = 0; i < CLASS_COUNT; ++i)
		register_class(&idle_classes[i], NULL);
	for (int i = 0; i < CLASS_COUNT; ++i)
		register_members(&idle_classes[i]);
	register_class(&loader_class, find_loader_virtual);
	wrap_object(&loader, on_create((void *)&loader_class, 0));
	wrap(GDEXTENSION_VARIANT_TYPE_BOOL, &at_front, &yes);
	call_singleton("ResourceLoader", "add_resource_format_loader", &loader, &at_front);
	wrap_object(&singleton, classdb_construct_object2(name_of("AdaptiveAgents")));
	wrap_name(&called, "AdaptiveAgents");
	call_singleton("Engine", "register_singleton", &called, &singleton);
	variant_destroy(&called);
}

static void on_deinitialize(void *userdata, GDExtensionInitializationLevel level) {
	Value called;
	GDExtensionObjectPtr object;
	(void)userdata;
	if (level != GDEXTENSION_INITIALIZATION_SCENE)
		return;
	wrap_name(&called, "AdaptiveAgents");
	call_singleton("Engine", "unregister_singleton", &called, NULL);
	variant_destroy(&called);
	get_variant_to_type_constructor(GDEXTENSION_VARIANT_TYPE_OBJECT)(&object, &singleton);
	object_destroy(object);
	call_singleton("ResourceLoader", "remove_resource_format_loader", &loader, NULL);
	variant_destroy(&loader);
	classdb_unregister_extension_class(own_library, name_of(loader_class.name));
	for (int i = CLASS_COUNT - 1; i >= 0; --i)
		classdb_unregister_extension_class(own_library, name_of(idle_classes[i].name));
}

void idle_start(GDExtensionInterfaceGetProcAddress get_proc_address, GDExtensionClassLibraryPtr library,
		GDExtensionInitialization *initialization) {
	own_library = library;
#define LOOK_UP(type, name)                                                                                                    \
	name = (type)get_proc_address(#name);                                                                                      \
	if (!name)                                                                                                                 \
		return; /* an older engine than the addon supports */
	INTERFACE(LOOK_UP)
	initialization->initialize = on_initialize;
	initialization->deinitialize = on_deinitialize;
}
