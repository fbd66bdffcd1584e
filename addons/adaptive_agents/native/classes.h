/* Our classes as tables. class_table.h, which class_table.py makes from the Python declarations, has their content. */
#ifndef AA_CLASSES_H
#define AA_CLASSES_H

#include <stddef.h>
#include <stdint.h>

#include "gdextension_interface.h"
#include "interface.h"
#include "objects.h"

/* GDExtensionClassMethodFlags as far as used, and one of our own: the engine calls it, scripts do not. */
enum { AA_METHOD = 1, AA_CONST = 4, AA_SCRIPT_METHOD = 8, AA_STATIC = 32, AA_ENGINE_METHOD = 1 << 20 };

typedef struct {
	const char *name;
	int type; /* GDExtensionVariantType */
	const char *class_name;
} aa_argument;

struct aa_property;

typedef struct {
	const char *name;
	unsigned flags;
	int returns; /* -1: nothing */
	const char *return_class;
	int index; /* its place in Python's list of what can be called; -1: never called there */
	int argument_count;
	aa_argument arguments[AA_MAX_ARGUMENTS];
	const struct aa_property *property; /* whose getter or setter it is */
} aa_method;

typedef struct aa_property {
	const char *name; /* of a heading in the inspector where there is no getter */
	int type;
	const char *class_name;
	int hint;
	const char *hint_text;
	unsigned usage;
	const aa_method *getter, *setter; /* no setter: read only */
	double number; /* what it starts with; of an object: whether it is made at the first read */
	const char *text;
	int field; /* offset in aa_instance; -1: it is Python's, or in `values` while there is none */
} aa_property;

typedef struct {
	const char *enumeration;
	const char *name;
	int value;
} aa_constant;

typedef struct {
	const char *name;
	const char *base;
	int is_reference;
	uint64_t notifications; /* bit n: notification n is heard */
	int property_count;
	const aa_property *properties;
	int method_count;
	const aa_method *methods;
	int signal_count;
	const aa_method *signals;
	int constant_count;
	const aa_constant *constants;
	const char *documentation; /* for the editor's built-in help, as XML */
} aa_class;

#define EXTERN(type, name) extern type name;
INTERFACE(EXTERN)

/* engine.c */
int aa_know_engine(GDExtensionInterfaceGetProcAddress get_proc_address); /* 0: too old */
void *aa_name(const char *text); /* a StringName; for texts that are few and live as long as the process */
void aa_wrap(GDExtensionVariantType type, aa_variant *result, void *value);
void aa_wrap_object(aa_variant *result, GDExtensionObjectPtr object);
void aa_wrap_text(aa_variant *result, const char *text);
void aa_read_string(const void *string, char *text, size_t size); /* as much of it as fits */
/* Calls a method of one of the engine's singletons; the answer is the caller's to destroy. */
aa_variant aa_ask(const char *singleton, const char *method, const void *const *arguments, int count);
int aa_ask_whether(const char *singleton, const char *method, const char *text); /* with one text, or NULL: none */

/* objects.c */
extern GDExtensionClassLibraryPtr aa_library;
extern aa_host aa_the_host;
/* How Python can join; NULL: not at all. */
void aa_may_join(int (*join)(aa_host *host));
/* It joins, if it can and has not yet. Returns whether it is there. Any thread. */
int aa_join(void);
int aa_has_joined(void);
GDExtensionObjectPtr aa_create(void *of, GDExtensionBool notify);
void aa_free(void *of, GDExtensionClassInstancePtr instance);
void aa_notify(GDExtensionClassInstancePtr instance, int32_t what, GDExtensionBool reversed);
void aa_call(void *method, GDExtensionClassInstancePtr instance, const GDExtensionConstVariantPtr *arguments, GDExtensionInt count,
		GDExtensionVariantPtr result, GDExtensionCallError *error);
void aa_pointer_call(void *method, GDExtensionClassInstancePtr instance, const GDExtensionConstTypePtr *arguments, GDExtensionTypePtr result);

/* loader.c: the ResourceFormatLoader of .brain files, and the singleton */
void aa_add_loader(void);
void aa_remove_loader(void);
void aa_add_singleton(void);
void aa_remove_singleton(void);

/* classes.c */
int aa_class_index(const aa_class *of);
void *aa_class_name(const aa_class *of); /* StringNames */
void *aa_base_name(const aa_class *of);
/* The beginning. `join` imports the Python package and lets it fill in host->python; NULL: there is no Python. */
void aa_start(GDExtensionInterfaceGetProcAddress get_proc_address, GDExtensionClassLibraryPtr library,
		GDExtensionInitialization *initialization, int (*join)(aa_host *host));

#endif
