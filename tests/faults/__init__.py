"""Processes killed at the worst moment, for real."""
