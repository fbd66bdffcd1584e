"""Runs the game itself, many headless engines at once: recording, play, measurements."""
