"""From recorded sessions to players, and from players to tasks."""
