"""Protocols, metrics and statistics: how good an encoder is."""
