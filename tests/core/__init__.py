"""The rules, by themselves: no process, no clock, and files only as text."""
