"""What a model is worth on players it never saw: errors with intervals, tables, charts, the report."""
