"""Distillation of image towers, and the foundation of all training: losses, schedule, checkpoint, recipes,
events."""
