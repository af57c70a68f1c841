"""Changing jobs, tasks, their order and their dates."""
