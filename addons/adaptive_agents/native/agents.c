/* What is too hot for a crossing: numbers in and out of Variants, and the tick of many agents. Part of the same module as bridge.c. */

/* ---- numbers ------------------------------------------------------------------------------------------------------------------ */

static int64_t array_size(const aa_variant *array) {
	aa_variant result;
	GDExtensionCallError error;
	int64_t size = 0;
	variant_call((void *)array, size_name, NULL, 0, &result, &error);
	if (error.error == GDEXTENSION_CALL_OK)
		variant_to[GDEXTENSION_VARIANT_TYPE_INT](&size, &result);
	variant_destroy(&result);
	return size;
}

void aa_floats_to_variant(const float *values, int64_t count, aa_variant *result) {
	aa_variant size, nothing;
	const void *arguments[] = { &size };
	GDExtensionCallError error;
	variant_construct(GDEXTENSION_VARIANT_TYPE_PACKED_FLOAT32_ARRAY, result, NULL, 0, &error);
	if (!count)
		return;
	variant_from[GDEXTENSION_VARIANT_TYPE_INT](&size, &count);
	variant_call(result, resize_name, arguments, 1, &nothing, &error);
	variant_destroy(&nothing);
	float *data = packed_float32_array_operator_index(inner[GDEXTENSION_VARIANT_TYPE_PACKED_FLOAT32_ARRAY](result), 0);
	if (values)
		memcpy(data, values, count * sizeof *data);
	else
		memset(data, 0, count * sizeof *data);
}

static int64_t copy_floats(const float *from, int64_t count, float *values, int64_t capacity) {
	if (count <= capacity)
		memcpy(values, from, count * sizeof *values);
	return count;
}

/* Any Variant that is a row of numbers. Returns how many there are (they are copied only if they fit), or AA_NOT_NUMBERS. */
int64_t aa_variant_to_floats(const aa_variant *value, float *values, int64_t capacity) {
	GDExtensionVariantType type = variant_get_type(value);
	void *data = type ? (inner[type] ? inner[type]((void *)value) : NULL) : NULL;
	int64_t count;
	float single;
	switch (type) {
		case GDEXTENSION_VARIANT_TYPE_BOOL:
			single = *(GDExtensionBool *)data;
			return copy_floats(&single, 1, values, capacity);
		case GDEXTENSION_VARIANT_TYPE_INT:
			single = (float)*(int64_t *)data;
			return copy_floats(&single, 1, values, capacity);
		case GDEXTENSION_VARIANT_TYPE_FLOAT:
			single = (float)*(double *)data;
			return copy_floats(&single, 1, values, capacity);
		case GDEXTENSION_VARIANT_TYPE_VECTOR2:
			return copy_floats(data, 2, values, capacity);
		case GDEXTENSION_VARIANT_TYPE_VECTOR3:
			return copy_floats(data, 3, values, capacity);
		case GDEXTENSION_VARIANT_TYPE_VECTOR4:
			return copy_floats(data, 4, values, capacity);
		case GDEXTENSION_VARIANT_TYPE_PACKED_FLOAT32_ARRAY:
			count = array_size(value);
			return count ? copy_floats(packed_float32_array_operator_index_const(data, 0), count, values, capacity) : 0;
		case GDEXTENSION_VARIANT_TYPE_ARRAY:
		case GDEXTENSION_VARIANT_TYPE_PACKED_FLOAT64_ARRAY:
		case GDEXTENSION_VARIANT_TYPE_PACKED_INT32_ARRAY:
		case GDEXTENSION_VARIANT_TYPE_PACKED_INT64_ARRAY: {
			aa_variant packed;
			GDExtensionCallError error;
			const void *arguments[] = { value };
			count = array_size(value);
			if (type == GDEXTENSION_VARIANT_TYPE_ARRAY) {
				for (int64_t i = 0; i < count; ++i) {
					aa_variant *element = array_operator_index_const(data, i);
					GDExtensionVariantType element_type = variant_get_type(element);
					if (element_type < GDEXTENSION_VARIANT_TYPE_BOOL || element_type > GDEXTENSION_VARIANT_TYPE_FLOAT)
						return AA_NOT_NUMBERS;
					if (count <= capacity)
						aa_variant_to_floats(element, values + i, 1);
				}
				return count;
			}
			/* Rare: through an Array, which knows how to convert every packed type. */
			variant_construct(GDEXTENSION_VARIANT_TYPE_ARRAY, &packed, arguments, 1, &error);
			count = aa_variant_to_floats(&packed, values, capacity);
			variant_destroy(&packed);
			return count;
		}
		default:
			return AA_NOT_NUMBERS;
	}
}

/* ---- the tick ----------------------------------------------------------------------------------------------------------------- */

/* Calls a script's method and takes its answer as numbers. AA_NO_METHOD where no script defines it. */
static int64_t call_for_floats(GDExtensionObjectPtr object, const void *method, float *values, int64_t capacity) {
	aa_variant answer;
	GDExtensionCallError error;
	error.error = GDEXTENSION_CALL_OK;
	object_call_script_method(object, method, NULL, 0, &answer, &error);
	int64_t size = error.error == GDEXTENSION_CALL_OK ? aa_variant_to_floats(&answer, values, capacity) : AA_NO_METHOD;
	variant_destroy(&answer);
	return size;
}

void aa_find_able(aa_instance **agents, int32_t count, const void *can_process, GDExtensionBool *able) {
	for (int32_t i = 0; i < count; ++i) {
		able[i] = 0;
		object_method_bind_ptrcall(can_process, agents[i]->object, NULL, &able[i]);
	}
}

void aa_gather_observations(aa_instance **agents, int32_t count, const void *observe, int32_t size, float *rows, int64_t *sizes) {
	Walk walk;
	begin_walk(&walk, agents, count);
	for (int32_t i = 0; i < count; ++i) {
		float *row = rows + (size_t)i * size;
		sizes[i] = agents[i] ? call_for_floats(agents[i]->object, observe, row, size) : AA_FREED;
		if (sizes[i] != AA_NO_METHOD || !agents[i])
			continue;
		/* Without a script's `_observe` the property counts, unless nobody has set it. */
		int64_t found = aa_variant_to_floats(&agents[i]->observation, row, size);
		if (found)
			sizes[i] = found;
	}
	end_walk();
}

void aa_gather_measurements(aa_instance **agents, int32_t count, const void *measure, int32_t size, float *rows, int64_t *sizes) {
	Walk walk;
	begin_walk(&walk, agents, count);
	for (int32_t i = 0; i < count; ++i)
		sizes[i] = agents[i] ? call_for_floats(agents[i]->object, measure, rows + (size_t)i * size, size) : AA_FREED;
	end_walk();
}

static void take_row(aa_instance *agent, const float *row, int32_t size, int is_category) {
	if (is_category) {
		/* Logits: the likeliest class, and its probability. */
		int32_t best = 0;
		double sum = 0;
		for (int32_t i = 1; i < size; ++i)
			if (row[i] > row[best])
				best = i;
		for (int32_t i = 0; i < size; ++i)
			sum += exp((double)row[i] - row[best]);
		agent->category = best;
		agent->confidence = 1 / sum;
	}
	/* A new array each time: Variants share a packed array, so the one before may belong to the game by now. */
	variant_destroy(&agent->action);
	aa_floats_to_variant(row, size, &agent->action);
}

/* Emits a signal of one agent. `self` is copied: a receiver may free the agent. */
static void emit(const aa_instance *agent, const void *emit_signal, const void **arguments, int32_t count) {
	aa_variant self, nothing;
	GDExtensionCallError error;
	variant_new_copy(&self, &agent->self);
	variant_call(&self, emit_signal, arguments, count, &nothing, &error);
	variant_destroy(&nothing);
	variant_destroy(&self);
}

/* Every agent has its action before the first hears `decided`. */
void aa_hand_out(aa_instance **agents, int32_t count, const void *emit_signal, const aa_variant *decided, const float *rows, int32_t size,
		const double *uncertainties, int is_category) {
	Walk walk;
	for (int32_t i = 0; i < count; ++i) {
		if (!agents[i])
			continue;
		take_row(agents[i], rows + (size_t)i * size, size, is_category);
		if (uncertainties)
			agents[i]->uncertainty = uncertainties[i];
	}
	begin_walk(&walk, agents, count);
	for (int32_t i = 0; i < count; ++i) {
		if (!agents[i])
			continue;
		aa_variant action;
		const void *arguments[] = { decided, &action };
		variant_new_copy(&action, &agents[i]->action);
		emit(agents[i], emit_signal, arguments, 2);
		variant_destroy(&action);
	}
	end_walk();
}

void aa_emit_adapted(aa_instance **agents, int32_t count, const void *emit_signal, const aa_variant *adapted, double loss_before,
		double loss_after) {
	Walk walk;
	aa_variant before, after;
	const void *arguments[] = { adapted, &before, &after };
	variant_from[GDEXTENSION_VARIANT_TYPE_FLOAT](&before, &loss_before);
	variant_from[GDEXTENSION_VARIANT_TYPE_FLOAT](&after, &loss_after);
	begin_walk(&walk, agents, count);
	for (int32_t i = 0; i < count; ++i) {
		if (!agents[i])
			continue;
		agents[i]->loss = loss_after;
		emit(agents[i], emit_signal, arguments, 3);
	}
	end_walk();
}

/* NaN leaves a score as it is. */
void aa_set_scores(aa_instance **agents, int32_t count, const double *errors, const double *confidences, const double *uncertainties) {
	for (int32_t i = 0; i < count; ++i) {
		if (!agents[i])
			continue;
		if (!isnan(errors[i]))
			agents[i]->prediction_error = errors[i];
		if (!isnan(confidences[i]))
			agents[i]->confidence = confidences[i];
		if (!isnan(uncertainties[i]))
			agents[i]->uncertainty = uncertainties[i];
	}
}
