"""Prepared data sets on disk: building, writing, reading and joining stores."""
