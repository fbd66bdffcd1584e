@tool
extends EditorPlugin
## Adds what a game developer sees in the editor: the panel with the recorded sessions and the
## Retrain button, readable brains in the inspector, and the game's Python in every export.
##
## The nodes and resources themselves are native classes (adaptive_agents.gdextension) and need no
## enabling. Everything added here is removed again in [method _exit_tree].

const SessionsPanel := preload("editor/sessions_panel.gd")
const BrainInspector := preload("editor/brain_inspector.gd")
const FirstRun := preload("editor/first_run.gd")
const NativeLibrary := preload("editor/native_library.gd")
const Pytrain := preload("editor/pytrain.gd")
const RuntimeExport := preload("editor/runtime_export.gd")

var _panel: SessionsPanel
var _inspector: BrainInspector
var _export: RuntimeExport


func _enter_tree() -> void:
	var problem: String = NativeLibrary.find_problem()
	if not problem.is_empty():
		push_error(problem)
	Pytrain.add_project_setting()
	_panel = SessionsPanel.new()
	_panel.brain_written.connect(_on_brain_written)
	add_control_to_bottom_panel(_panel, "Adaptive Agents")
	_inspector = BrainInspector.new()
	add_inspector_plugin(_inspector)
	_export = RuntimeExport.new()
	add_export_plugin(_export)


func _exit_tree() -> void:
	remove_export_plugin(_export)
	_export = null
	remove_inspector_plugin(_inspector)
	_inspector = null
	remove_control_from_bottom_panel(_panel)
	_panel.queue_free()
	_panel = null


func _process(_delta: float) -> void:
	set_process(false)
	FirstRun.wait_for_documentation()


func _on_brain_written(_path: String) -> void:
	EditorInterface.get_resource_filesystem().scan()
