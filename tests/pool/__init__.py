"""The workers as the runner sees them, over sockets and signals; torch-free."""
