@tool
extends Node
## Runs one external program without blocking the editor, and passes on what it prints.

## A line that the program printed, on standard output or error.
signal printed(line: String)
## The program ended, by itself or through [method stop].
signal ended(exit_code: int)

const NEWLINE := 10

var _process_id: int = 0
var _pipes: Array[FileAccess] = []
var _unfinished: Array[PackedByteArray] = []


func _ready() -> void:
	set_process(is_running())


func _exit_tree() -> void:
	stop()


## Starts the program with extra environment variables; false where the system refuses.
func start(program: String, arguments: PackedStringArray, environment: Dictionary) -> bool:
	for variable: String in environment:
		OS.set_environment(variable, environment[variable])
	var process := OS.execute_with_pipe(program, arguments, false)
	for variable: String in environment:
		OS.unset_environment(variable)
	if process.is_empty():
		return false
	_process_id = process["pid"]
	_pipes = [process["stdio"], process["stderr"]]
	_unfinished = [PackedByteArray(), PackedByteArray()]
	set_process(true)
	return true


func is_running() -> bool:
	return _process_id != 0


## Ends the program; [signal ended] follows. Does nothing when none runs.
func stop() -> void:
	if is_running():
		OS.kill(_process_id)  # waits for its end, so that its exit code cannot be asked for any more
		_end(-1)


func _process(_delta: float) -> void:
	var is_alive := OS.is_process_running(_process_id)
	for index: int in _pipes.size():
		_unfinished[index].append_array(_read_all(_pipes[index]))
		_print_lines(index, not is_alive)
	if not is_alive:
		_end(OS.get_process_exit_code(_process_id))


func _end(exit_code: int) -> void:
	_process_id = 0
	_pipes.clear()
	set_process(false)
	ended.emit(exit_code)


func _read_all(pipe: FileAccess) -> PackedByteArray:
	var bytes := PackedByteArray()
	while true:
		var more := pipe.get_buffer(4096)
		bytes.append_array(more)
		if more.size() < 4096:
			break
	return bytes


## Whole lines only: a character of several bytes may still be on its way.
func _print_lines(index: int, is_last: bool) -> void:
	var bytes := _unfinished[index]
	var end := bytes.size() if is_last else bytes.rfind(NEWLINE) + 1
	for line: String in bytes.slice(0, end).get_string_from_utf8().split("\n", false):
		printed.emit(line)
	_unfinished[index] = bytes.slice(end)
