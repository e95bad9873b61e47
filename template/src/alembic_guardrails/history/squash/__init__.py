"""Replaces the oldest revisions by one that builds the same database.

In this order: choose what goes, build a database by the old revisions and one by the new, compare
them, describe what owners have to know, and exchange the files.
"""
