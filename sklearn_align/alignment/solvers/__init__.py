"""Numerical solvers of the alignment: arrays in, arrays out."""
