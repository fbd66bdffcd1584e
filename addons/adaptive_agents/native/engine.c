/* A few words with the engine: values, names, and what its singletons are asked. */
#include "classes.h"

#include <stdlib.h>
#include <string.h>

#define DEFINE(type, name) type name;
INTERFACE(DEFINE)

int aa_know_engine(GDExtensionInterfaceGetProcAddress get_proc_address) {
#define LOOK_UP(type, name)                                                                                                    \
	name = (type)get_proc_address(#name);                                                                                      \
	if (!name)                                                                                                                 \
		return 0;
	INTERFACE(LOOK_UP)
	return 1;
}

void *aa_name(const char *text) {
	void *name = calloc(1, sizeof(void *));
	string_name_new_with_latin1_chars(name, text, 1);
	return name;
}

void aa_wrap(GDExtensionVariantType type, aa_variant *result, void *value) {
	get_variant_from_type_constructor(type)(result, value);
}

void aa_wrap_object(aa_variant *result, GDExtensionObjectPtr object) {
	aa_wrap(GDEXTENSION_VARIANT_TYPE_OBJECT, result, &object);
}

void aa_wrap_text(aa_variant *result, const char *text) {
	void *string[1];
	string_new_with_utf8_chars_and_len(string, text, (GDExtensionInt)strlen(text));
	aa_wrap(GDEXTENSION_VARIANT_TYPE_STRING, result, string);
	variant_get_ptr_destructor(GDEXTENSION_VARIANT_TYPE_STRING)(string);
}

aa_variant aa_ask(const char *singleton, const char *method, const void *const *arguments, int count) {
	aa_variant self, answer;
	GDExtensionCallError error;
	aa_wrap_object(&self, global_get_singleton(aa_name(singleton)));
	variant_call(&self, aa_name(method), (const GDExtensionConstVariantPtr *)arguments, count, &answer, &error);
	variant_destroy(&self);
	return answer;
}

int aa_ask_whether(const char *singleton, const char *method, const char *text) {
	aa_variant argument, answer;
	const void *arguments[] = { &argument };
	GDExtensionBool yes = 0;
	aa_wrap_text(&argument, text ? text : "");
	answer = aa_ask(singleton, method, arguments, text ? 1 : 0);
	get_variant_to_type_constructor(GDEXTENSION_VARIANT_TYPE_BOOL)(&yes, &answer);
	variant_destroy(&answer);
	variant_destroy(&argument);
	return yes;
}

void aa_read_string(const void *string, char *text, size_t size) {
	GDExtensionInt length = string_to_utf8_chars(string, text, (GDExtensionInt)size - 1);
	text[length < (GDExtensionInt)size ? length : (GDExtensionInt)size - 1] = 0;
}
