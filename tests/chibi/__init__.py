"""Tests of the bundled model's parts."""
