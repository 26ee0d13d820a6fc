"""Exercises for students."""
