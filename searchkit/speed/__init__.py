"""The speed of encoders on this machine: measured, and remembered."""
