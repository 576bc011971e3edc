"""The command line as a person runs it: real processes, real exit codes."""
