"""Classifiers that others trained: a bundle names them, and their weights stay where they are.

Each has a small file in the bundle's folder, whose metadata says where the weights lie and what
their checksums are.
"""
