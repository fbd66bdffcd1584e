/* From the tables to the engine's ClassDB: the only registration of our classes, with Python or without. */
#include "classes.h"

#include <stdlib.h>
#include <string.h>

#include "class_table.h"

#define CLASS_COUNT ((int)(sizeof classes / sizeof *classes))

enum { STORED_AND_EDITED = 6, ANY_TYPE_USAGE = 1 << 17, RESOURCE_HINT = 17 };

static struct {
	void *name, *base;
} names[CLASS_COUNT];

int aa_class_index(const aa_class *of) {
	return (int)(of - classes);
}

void *aa_class_name(const aa_class *of) {
	return names[of - classes].name;
}

void *aa_base_name(const aa_class *of) {
	return names[of - classes].base;
}

static GDExtensionPropertyInfo describe(const char *name, int type, const char *class_name, int hint, const char *hint_text, unsigned usage) {
	GDExtensionPropertyInfo info = { (GDExtensionVariantType)type, aa_name(name), aa_name(class_name), (uint32_t)hint, NULL, usage };
	info.hint_string = calloc(1, sizeof(void *));
	string_new_with_utf8_chars_and_len(info.hint_string, hint_text, (GDExtensionInt)strlen(hint_text));
	return info;
}

static void forget(GDExtensionPropertyInfo *info) {
	variant_get_ptr_destructor(GDEXTENSION_VARIANT_TYPE_STRING)(info->hint_string);
	free(info->hint_string);
}

/* An argument, a returned value, a signal's argument. */
static GDExtensionPropertyInfo describe_value(const char *name, int type, const char *class_name) {
	int is_object = type == GDEXTENSION_VARIANT_TYPE_OBJECT;
	unsigned usage = STORED_AND_EDITED | (type == GDEXTENSION_VARIANT_TYPE_NIL ? ANY_TYPE_USAGE : 0);
	return describe(name, type < 0 ? 0 : type, class_name, is_object ? RESOURCE_HINT : 0, is_object ? class_name : "", usage);
}

/* The engine's part of find_virtual: the methods of a class that it calls itself. */
static void *find_virtual(void *userdata, GDExtensionConstStringNamePtr name, uint32_t hash) {
	const aa_class *of = userdata;
	(void)hash;
	for (int i = 0; i < of->method_count; ++i) {
		if (!(of->methods[i].flags & AA_ENGINE_METHOD))
			continue;
		aa_variant wanted; /* a StringName, which is one pointer; equal ones share their data */
		string_name_new_with_latin1_chars(&wanted, of->methods[i].name, 1);
		if (wanted.words[0] == *(const uint64_t *)name)
			return (void *)&of->methods[i];
	}
	return NULL;
}

static void call_virtual(GDExtensionClassInstancePtr instance, GDExtensionConstStringNamePtr name, void *method,
		const GDExtensionConstTypePtr *arguments, GDExtensionTypePtr result) {
	(void)name;
	aa_pointer_call(method, instance, arguments, result);
}

static void register_class(const aa_class *of) {
	GDExtensionClassCreationInfo4 info = { 0 };
	names[of - classes].name = aa_name(of->name);
	names[of - classes].base = aa_name(of->base);
	info.is_exposed = 1;
	info.create_instance_func = aa_create;
	info.free_instance_func = aa_free;
	info.notification_func = aa_notify;
	info.get_virtual_call_data_func = find_virtual;
	info.call_virtual_with_data_func = call_virtual;
	info.class_userdata = (void *)of;
	classdb_register_extension_class4(aa_library, aa_class_name(of), aa_base_name(of), &info);
}

static void register_method(const aa_class *of, const aa_method *method) {
	GDExtensionPropertyInfo arguments[AA_MAX_ARGUMENTS], returned = describe_value("", method->returns, method->return_class);
	GDExtensionClassMethodArgumentMetadata metadata[AA_MAX_ARGUMENTS] = { GDEXTENSION_METHOD_ARGUMENT_METADATA_NONE };
	uint32_t count = (uint32_t)method->argument_count;
	for (uint32_t i = 0; i < count; ++i)
		arguments[i] = describe_value(method->arguments[i].name, method->arguments[i].type, method->arguments[i].class_name);
	if (method->flags & AA_SCRIPT_METHOD) {
		GDExtensionClassVirtualMethodInfo info = { aa_name(method->name), method->flags, returned, metadata[0], count, arguments, metadata };
		classdb_register_extension_class_virtual_method(aa_library, aa_class_name(of), &info);
	} else {
		GDExtensionClassMethodInfo info = { aa_name(method->name), (void *)method, aa_call, aa_pointer_call, method->flags,
			method->returns >= 0, &returned, metadata[0], count, arguments, metadata, 0, NULL };
		classdb_register_extension_class_method(aa_library, aa_class_name(of), &info);
	}
	for (uint32_t i = 0; i < count; ++i)
		forget(&arguments[i]);
	forget(&returned);
}

static void register_property(const aa_class *of, const aa_property *property) {
	if (!property->getter) {
		void *title[1], *prefix[1];
		string_new_with_utf8_chars_and_len(title, property->name, (GDExtensionInt)strlen(property->name));
		string_new_with_utf8_chars_and_len(prefix, "", 0);
		classdb_register_extension_class_property_group(aa_library, aa_class_name(of), title, prefix);
		variant_get_ptr_destructor(GDEXTENSION_VARIANT_TYPE_STRING)(title);
		variant_get_ptr_destructor(GDEXTENSION_VARIANT_TYPE_STRING)(prefix);
		return;
	}
	register_method(of, property->getter);
	if (property->setter)
		register_method(of, property->setter);
	GDExtensionPropertyInfo info = describe(property->name, property->type, property->class_name, property->hint, property->hint_text,
			property->usage);
	classdb_register_extension_class_property(aa_library, aa_class_name(of), &info, aa_name(property->setter ? property->setter->name : ""),
			aa_name(property->getter->name));
	forget(&info);
}

static void register_signal(const aa_class *of, const aa_method *emitted) {
	GDExtensionPropertyInfo arguments[AA_MAX_ARGUMENTS];
	for (int i = 0; i < emitted->argument_count; ++i)
		arguments[i] = describe_value(emitted->arguments[i].name, emitted->arguments[i].type, emitted->arguments[i].class_name);
	classdb_register_extension_class_signal(aa_library, aa_class_name(of), aa_name(emitted->name), arguments, emitted->argument_count);
	for (int i = 0; i < emitted->argument_count; ++i)
		forget(&arguments[i]);
}

static void register_members(const aa_class *of) {
	for (int i = 0; i < of->constant_count; ++i)
		classdb_register_extension_class_integer_constant(aa_library, aa_class_name(of), aa_name(of->constants[i].enumeration),
				aa_name(of->constants[i].name), of->constants[i].value, 0);
	for (int i = 0; i < of->method_count; ++i)
		if (!(of->methods[i].flags & AA_ENGINE_METHOD))
			register_method(of, &of->methods[i]);
	for (int i = 0; i < of->property_count; ++i)
		register_property(of, &of->properties[i]);
	for (int i = 0; i < of->signal_count; ++i)
		register_signal(of, &of->signals[i]);
}

static void on_initialize(void *userdata, GDExtensionInitializationLevel level) {
	(void)userdata;
	if (level == GDEXTENSION_INITIALIZATION_SCENE) {
		/* All classes before their members, which name one another. */
		for (int i = 0; i < CLASS_COUNT; ++i)
			register_class(&classes[i]);
		for (int i = 0; i < CLASS_COUNT; ++i)
			register_members(&classes[i]);
		aa_add_loader();
		aa_add_singleton();
	} else if (level == GDEXTENSION_INITIALIZATION_EDITOR) {
		for (int i = 0; i < CLASS_COUNT; ++i)
			editor_help_load_xml_from_utf8_chars(classes[i].documentation);
		/* The editor makes an object of every class, on a thread, to document it: better here than there. The engine of a
		 * developer comes to this level in a game, too. */
		if (aa_ask_whether("Engine", "is_editor_hint", NULL))
			aa_join();
	}
}

static void on_deinitialize(void *userdata, GDExtensionInitializationLevel level) {
	(void)userdata;
	if (level != GDEXTENSION_INITIALIZATION_SCENE)
		return;
	if (aa_has_joined())
		aa_the_host.python.ending();
	aa_remove_singleton();
	aa_remove_loader();
	for (int i = CLASS_COUNT - 1; i >= 0; --i)
		classdb_unregister_extension_class(aa_library, aa_class_name(&classes[i]));
}

void aa_start(GDExtensionInterfaceGetProcAddress get_proc_address, GDExtensionClassLibraryPtr library,
		GDExtensionInitialization *initialization, int (*join)(aa_host *host)) {
	aa_library = library;
	aa_the_host.get_proc_address = get_proc_address;
	aa_the_host.library = library;
	aa_the_host.digest = CLASS_DIGEST;
	aa_may_join(join);
	initialization->initialize = on_initialize;
	initialization->deinitialize = on_deinitialize;
}
