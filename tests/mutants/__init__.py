"""Mutants: single changes that would make results silently wrong, and whether the tests notice them."""
