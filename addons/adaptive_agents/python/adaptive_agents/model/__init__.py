"""What a brain computes: it predicts, it adapts to a player, and what it keeps of one."""
