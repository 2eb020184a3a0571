"""Tests of who executes steps."""
