"""The scripts without their bugs."""
