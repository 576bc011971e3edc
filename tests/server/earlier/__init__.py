"""Tests of `pipeline.server.earlier`."""
