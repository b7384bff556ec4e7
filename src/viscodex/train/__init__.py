"""Supervised fine-tuning: frozen vision, packed batches, losses by token, resumable to the bit."""
