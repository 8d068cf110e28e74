"""Profiled data: rows that met the expectations, their profile and their quality."""
