"""Brings a machine to where everything runs.

Only the standard library: this runs before anything is installed.
"""
