/* What exists once: the loader behind load("….brain") and drag and drop, and the singleton AdaptiveAgents.
 *
 * The engine asks the loader about every file of a game, so its answers stay in C: Python joins at the first brain. A brain is an
 * AdaptiveBrain whose source_path is set, and reads itself then.
 */
#include "classes.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define EXTENSION "brain"

static aa_variant loader;

static void tell(const char *singleton, const char *method, const aa_variant *first, const aa_variant *second) {
	const void *arguments[] = { first, second };
	aa_variant nothing = aa_ask(singleton, method, arguments, second ? 2 : 1);
	variant_destroy(&nothing);
}

/* ---- the loader's virtual methods */

static void load(GDExtensionClassInstancePtr instance, const GDExtensionConstTypePtr *arguments, GDExtensionTypePtr result) {
	aa_variant brain, name, path, nothing;
	GDExtensionCallError error;
	const void *assigned[] = { &name, &path };
	(void)instance;
	aa_wrap_object(&brain, classdb_construct_object2(aa_name("AdaptiveBrain")));
	aa_wrap(GDEXTENSION_VARIANT_TYPE_STRING_NAME, &name, aa_name("source_path"));
	aa_wrap(GDEXTENSION_VARIANT_TYPE_STRING, &path, (void *)arguments[0]);
	variant_call(&brain, aa_name("set"), assigned, 2, &nothing, &error);
	variant_destroy(result);
	variant_new_copy(result, &brain);
	variant_destroy(&nothing);
	variant_destroy(&path);
	variant_destroy(&name);
	variant_destroy(&brain);
}

static void recognise_extensions(GDExtensionClassInstancePtr instance, const GDExtensionConstTypePtr *arguments, GDExtensionTypePtr result) {
	aa_variant extension, array, nothing;
	GDExtensionCallError error;
	const void *appended[] = { &extension };
	(void)instance, (void)arguments;
	aa_wrap_text(&extension, EXTENSION);
	variant_construct(GDEXTENSION_VARIANT_TYPE_PACKED_STRING_ARRAY, &array, NULL, 0, &error);
	variant_call(&array, aa_name("append"), appended, 1, &nothing, &error);
	variant_get_ptr_destructor(GDEXTENSION_VARIANT_TYPE_PACKED_STRING_ARRAY)(result);
	get_variant_to_type_constructor(GDEXTENSION_VARIANT_TYPE_PACKED_STRING_ARRAY)(result, &array);
	variant_destroy(&nothing);
	variant_destroy(&array);
	variant_destroy(&extension);
}

static void handle_type(GDExtensionClassInstancePtr instance, const GDExtensionConstTypePtr *arguments, GDExtensionTypePtr result) {
	static void *brain, *resource;
	(void)instance;
	if (!resource) {
		brain = aa_name("AdaptiveBrain");
		resource = aa_name("Resource");
	}
	/* Equal StringNames share their data. */
	*(GDExtensionBool *)result = *(void *const *)arguments[0] == *(void **)brain || *(void *const *)arguments[0] == *(void **)resource;
}

static int is_brain(GDExtensionConstStringPtr path) {
	const char *ending = "." EXTENSION;
	size_t needed = strlen(ending);
	GDExtensionInt length = string_to_utf8_chars(path, NULL, 0);
	char *text = malloc((size_t)length + 1);
	int same = (size_t)length >= needed;
	string_to_utf8_chars(path, text, length);
	for (size_t i = 0; same && i < needed; ++i)
		same = tolower((unsigned char)text[(size_t)length - needed + i]) == ending[i];
	free(text);
	return same;
}

static void find_type(GDExtensionClassInstancePtr instance, const GDExtensionConstTypePtr *arguments, GDExtensionTypePtr result) {
	const char *found = is_brain(arguments[0]) ? "AdaptiveBrain" : "";
	(void)instance;
	variant_get_ptr_destructor(GDEXTENSION_VARIANT_TYPE_STRING)(result);
	string_new_with_utf8_chars_and_len(result, found, (GDExtensionInt)strlen(found));
}

static GDExtensionClassCallVirtual find_virtual(void *userdata, GDExtensionConstStringNamePtr name, uint32_t hash) {
	static struct {
		const char *text;
		GDExtensionClassCallVirtual function;
		void *name;
	} virtuals[] = {
		{ "_load", load, NULL },
		{ "_get_recognized_extensions", recognise_extensions, NULL },
		{ "_handles_type", handle_type, NULL },
		{ "_get_resource_type", find_type, NULL },
	};
	(void)userdata, (void)hash;
	for (size_t i = 0; i < sizeof virtuals / sizeof *virtuals; ++i) {
		if (!virtuals[i].name)
			virtuals[i].name = aa_name(virtuals[i].text);
		if (*(void *const *)name == *(void **)virtuals[i].name)
			return virtuals[i].function;
	}
	return NULL;
}

static GDExtensionObjectPtr create(void *userdata, GDExtensionBool notify) {
	GDExtensionObjectPtr object = classdb_construct_object2(aa_name("ResourceFormatLoader"));
	(void)userdata, (void)notify;
	object_set_instance(object, aa_name("AdaptiveBrainLoader"), &loader); /* nothing of its own: any address serves */
	return object;
}

static void nothing_to_free(void *userdata, GDExtensionClassInstancePtr instance) {
	(void)userdata, (void)instance;
}

void aa_add_loader(void) {
	aa_variant at_front;
	GDExtensionBool yes = 1;
	GDExtensionClassCreationInfo4 info = { 0 };
	info.create_instance_func = create;
	info.free_instance_func = nothing_to_free;
	info.get_virtual_func = find_virtual;
	classdb_register_extension_class4(aa_library, aa_name("AdaptiveBrainLoader"), aa_name("ResourceFormatLoader"), &info);
	aa_wrap_object(&loader, create(NULL, 0));
	aa_wrap(GDEXTENSION_VARIANT_TYPE_BOOL, &at_front, &yes);
	tell("ResourceLoader", "add_resource_format_loader", &loader, &at_front);
}

void aa_remove_loader(void) {
	tell("ResourceLoader", "remove_resource_format_loader", &loader, NULL);
	variant_destroy(&loader);
	classdb_unregister_extension_class(aa_library, aa_name("AdaptiveBrainLoader"));
}

/* ---- the singleton */

static void name_singleton(const char *method, const aa_variant *object) {
	aa_variant called;
	aa_wrap(GDEXTENSION_VARIANT_TYPE_STRING_NAME, &called, aa_name("AdaptiveAgents"));
	tell("Engine", method, &called, object);
	variant_destroy(&called);
}

void aa_add_singleton(void) {
	GDExtensionObjectPtr object = classdb_construct_object2(aa_name("AdaptiveAgents"));
	aa_the_host.singleton = object_get_instance_binding(object, aa_library, NULL);
	name_singleton("register_singleton", &aa_the_host.singleton->self);
}

void aa_remove_singleton(void) {
	name_singleton("unregister_singleton", NULL);
	object_destroy(aa_the_host.singleton->object);
}
