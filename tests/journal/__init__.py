"""The journal, on real files and with real processes."""
