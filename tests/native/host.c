/* Plays the engine's part for the addon's library: loads it, lets it register its classes, and prints what it says.
 *
 *     host PATH_OF_THE_LIBRARY [template]
 *
 * Strings are char pointers, names are char pointers too, and a Variant has its type in its first word and a string or a truth in the
 * second. Every function of the engine that is not needed for that does nothing and returns nothing. With `template` it is an exported
 * game. So a library can be tried where there is no engine: that of Windows with Wine. */
#include "gdextension_interface.h"
#include "platform.h"

typedef struct {
	uint64_t words[5];
} Variant;

static const char *library_path;
static int exported, classes, errors;

static char *copy(const char *text, size_t length) {
	char *result = calloc(1, length + 1);
	memcpy(result, text, length);
	return result;
}

static void new_string(void *result, const char *text, GDExtensionInt length) {
	*(char **)result = copy(text, (size_t)length);
}

static void new_name(void *result, const char *text, GDExtensionBool is_static) {
	(void)is_static;
	*(const char **)result = text;
}

static GDExtensionInt string_to_utf8(const void *string, char *text, GDExtensionInt size) {
	const char *content = *(char *const *)string;
	strncpy(text, content, (size_t)size);
	return (GDExtensionInt)strlen(content);
}

static void get_library_path(void *library, void *result) {
	(void)library;
	new_string(result, library_path, (GDExtensionInt)strlen(library_path));
}

static void destroy_string(void *string) {
	free(*(char **)string);
}

static void keep(void *value) {
	(void)value;
}

static void (*get_destructor(GDExtensionVariantType type))(void *) {
	return type == GDEXTENSION_VARIANT_TYPE_STRING ? destroy_string : keep;
}

static void wrap_string(Variant *result, void *string) {
	const char *text = *(char **)string;
	result->words[0] = GDEXTENSION_VARIANT_TYPE_STRING;
	result->words[1] = (uint64_t)(uintptr_t)copy(text, strlen(text));
}

static void wrap_other(Variant *result, void *value) {
	(void)value;
	memset(result, 0, sizeof *result);
}

static void (*get_wrapper(GDExtensionVariantType type))(Variant *, void *) {
	return type == GDEXTENSION_VARIANT_TYPE_STRING ? wrap_string : wrap_other;
}

static void unwrap_string(void *result, Variant *value) {
	const char *text = value->words[0] == GDEXTENSION_VARIANT_TYPE_STRING ? (char *)(uintptr_t)value->words[1] : "";
	*(char **)result = copy(text, strlen(text));
}

static void unwrap_other(void *result, Variant *value) {
	*(GDExtensionBool *)result = (GDExtensionBool)value->words[1];
}

static void (*get_unwrapper(GDExtensionVariantType type))(void *, Variant *) {
	return type == GDEXTENSION_VARIANT_TYPE_STRING ? unwrap_string : unwrap_other;
}

static void call(Variant *self, const void *name, const Variant *const *arguments, GDExtensionInt count, Variant *result,
		GDExtensionCallError *error) {
	const char *method = *(const char *const *)name, *display = "headless";
	(void)self;
	memset(result, 0, sizeof *result);
	error->error = GDEXTENSION_CALL_OK;
	if (!strcmp(method, "has_feature") && count == 1 && !strcmp((char *)(uintptr_t)arguments[0]->words[1], "template"))
		result->words[1] = (uint64_t)exported;
	else if (!strcmp(method, "get_name"))
		wrap_string(result, &display);
	else if (!strcmp(method, "call_deferred"))
		printf("a dialog was asked for\n");
}

static void print_error(const char *description, const char *text, const char *function, const char *file, int32_t line, GDExtensionBool notify) {
	(void)function, (void)file, (void)line, (void)notify;
	++errors;
	printf("ERROR: %s\n%s\n", description, text);
}

static void register_class(void *library, const void *name, const void *base, const void *info) {
	(void)library, (void)name, (void)base, (void)info;
	++classes;
}

static uint64_t nothing(void) {
	return 0;
}

static GDExtensionInterfaceFunctionPtr get_proc_address(const char *name) {
	static const struct {
		const char *name;
		void *function;
	} known[] = {
		{ "string_new_with_utf8_chars_and_len", new_string },
		{ "string_name_new_with_latin1_chars", new_name },
		{ "string_to_utf8_chars", string_to_utf8 },
		{ "get_library_path", get_library_path },
		{ "variant_get_ptr_destructor", get_destructor },
		{ "get_variant_from_type_constructor", get_wrapper },
		{ "get_variant_to_type_constructor", get_unwrapper },
		{ "variant_call", call },
		{ "print_error_with_message", print_error },
		{ "classdb_register_extension_class4", register_class },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; ++i)
		if (!strcmp(known[i].name, name))
			return (GDExtensionInterfaceFunctionPtr)known[i].function;
	return (GDExtensionInterfaceFunctionPtr)nothing;
}

static int run(const char *path, int is_exported) {
	GDExtensionInitialization initialization = { 0 };
	library_path = path;
	exported = is_exported;
	void *library = open_library(path);
	if (!library)
		return printf("'%s' cannot be opened: %s\n", path, library_error()), 1;
	GDExtensionInitializationFunction entry = (GDExtensionInitializationFunction)find_symbol(library, "adaptive_agents_entry");
	if (!entry)
		return printf("'%s' has no adaptive_agents_entry\n", path), 1;
	if (!entry(get_proc_address, NULL, &initialization))
		return printf("the entry failed\n"), 1;
	for (int level = GDEXTENSION_INITIALIZATION_CORE; level <= GDEXTENSION_INITIALIZATION_SCENE; ++level)
		initialization.initialize(initialization.userdata, (GDExtensionInitializationLevel)level);
	printf("%d classes, %d errors\n", classes, errors);
	return 0;
}

#ifdef _WIN32
int wmain(int count, wchar_t **arguments) {
	static char path[PATH_SIZE];
	WideCharToMultiByte(CP_UTF8, 0, arguments[1], -1, path, sizeof path, NULL, NULL);
	for (char *letter = path; *letter; ++letter)
		if (*letter == '\\')
			*letter = '/';
	return run(path, count > 2);
}
#else
int main(int count, char **arguments) {
	return run(arguments[1], count > 2);
}
#endif
