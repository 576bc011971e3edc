"""The tests mirror the modules; each says in its docstring what holds."""
