"""The inbox, on real files, with a real observer."""
