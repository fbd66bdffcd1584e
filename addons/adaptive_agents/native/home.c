/* Finds and checks the Python that the game runs on.
 *
 * `python_home.cfg` has one `key=value` a line; a relative path is relative to the file. A staged runtime names each of its files
 * with its size there, and ends with `complete=yes`: a game whose files were cut, lost or mixed with another version's says so before
 * the damaged code is loaded. Sizes and not hashes, because reading a hundred megabytes would double the time the game takes to start.
 */
#include "home.h"

#define HOME_FILE "python_home.cfg"

static char message[PATH_SIZE * 4];

#define FAIL(...) return snprintf(message, sizeof message, __VA_ARGS__), message

static char *read_text(const char *path) {
	int64_t size = file_size(path);
	FILE *file = size < 0 ? NULL : open_file(path);
	char *text = file ? malloc((size_t)size + 1) : NULL;
	if (text)
		text[fread(text, 1, (size_t)size, file)] = 0;
	if (file)
		fclose(file);
	return text;
}

/* Cuts the first line off `rest` and splits it at its first `=`. NULL at the end of the text. */
static char *next_line(char **rest, char **value) {
	char *line = *rest;
	if (!*line)
		return NULL;
	size_t length = strcspn(line, "\n");
	*rest = line + length + (line[length] != 0);
	line[length] = 0;
	line[strcspn(line, "\r")] = 0;
	*value = line[0] == '#' ? NULL : strchr(line, '=');
	if (*value)
		*(*value)++ = 0;
	return line;
}

static void join_path(char *target, const char *folder, const char *path) {
	snprintf(target, PATH_SIZE, "%s%s", is_absolute(path) ? "" : folder, path);
}

static int look_in(const char *library_folder, const char *below, Home *home) {
	snprintf(home->folder, PATH_SIZE, "%.*s%s", PATH_SIZE - 256, library_folder, below);
	snprintf(home->file, PATH_SIZE, "%.*s%s", PATH_SIZE - 32, home->folder, HOME_FILE);
	return file_size(home->file) >= 0;
}

static HomeKind find_file(const char *library_folder, Home *home) {
	for (size_t i = 0; i < sizeof RUNTIME_FOLDERS / sizeof *RUNTIME_FOLDERS; ++i)
		if (look_in(library_folder, RUNTIME_FOLDERS[i], home))
			return HOME_OF_A_RUNTIME;
	if (look_in(library_folder, "", home))
		return HOME_OF_A_BUILD;
	look_in(library_folder, RUNTIME_FOLDERS[0], home); /* the place to name */
	return HOME_MISSING;
}

/* `value` is "<size in bytes> <relative path>". */
static const char *check_file(const Home *home, const char *value) {
	char path[PATH_SIZE];
	char *name;
	long long expected = strtoll(value, &name, 10);
	if (name == value || *name != ' ')
		FAIL("'%s' has a line that is none of its own: 'file=%s'.", home->file, value);
	join_path(path, home->folder, name + 1);
	long long found = file_size(path);
	if (found < 0)
		FAIL("'%s' is missing.", path);
	if (found != expected)
		FAIL("'%s' has %lld bytes where %lld are expected.", path, found, expected);
	return NULL;
}

static const char *check_identity(const Home *home, const char *what, const char *found, const char *expected) {
	if (!found)
		FAIL("'%s' names no %s.", home->file, what);
	if (strcmp(found, expected))
		FAIL("'%s' is for %s %s, and this library for %s %s.", home->file, what, found, what, expected);
	return NULL;
}

static const char *read_home(char *text, const char *version, const char *python, Home *home) {
	const char *found_version = NULL, *found_python = NULL, *failure = NULL;
	char *line, *value, *rest = text, *files[4096];
	int file_count = 0, complete = 0;
	while ((line = next_line(&rest, &value))) {
		if (*line)
			complete = 0; /* it has to be the last line */
		if (!value)
			continue;
		if (!strcmp(line, "version"))
			found_version = value;
		else if (!strcmp(line, "python"))
			found_python = value;
		else if (!strcmp(line, "libpython"))
			join_path(home->libpython, home->folder, value);
		else if (!strcmp(line, "home"))
			join_path(home->home, home->folder, value);
		else if (!strcmp(line, "path") && home->module_path_count < MAX_MODULE_PATHS)
			join_path(home->module_paths[home->module_path_count++], home->folder, value);
		else if (!strcmp(line, "file") && file_count < (int)(sizeof files / sizeof *files))
			files[file_count++] = value;
		else if (!strcmp(line, "complete"))
			complete = !strcmp(value, "yes");
	}
	if ((home->kind == HOME_OF_A_RUNTIME || file_count) && !complete)
		FAIL("'%s' is cut: its last line is not 'complete=yes'.", home->file);
	failure = check_identity(home, "version", found_version, version);
	if (!failure)
		failure = check_identity(home, "Python", found_python, python);
	if (!failure && (!home->libpython[0] || !home->home[0] || !home->module_path_count))
		FAIL("'%s' does not name libpython, home and path.", home->file);
	for (int i = 0; i < file_count && !failure; ++i)
		failure = check_file(home, files[i]);
	if (!failure && file_size(home->libpython) < 0)
		FAIL("'%s' names the Python library '%s', which is not there.", home->file, home->libpython);
	return failure;
}

const char *find_home(const char *library_folder, const char *version, const char *python, Home *home) {
	memset(home, 0, sizeof *home);
	home->kind = find_file(library_folder, home);
	if (home->kind == HOME_MISSING)
		FAIL("there is no Python home beside the library: '%s' is missing.", home->file);
	char *text = read_text(home->file);
	if (!text)
		FAIL("'%s' cannot be read.", home->file);
	const char *failure = read_home(text, version, python, home);
	free(text);
	return failure;
}
