"""An anime production you drive with files."""

__version__ = "0.1.0"
