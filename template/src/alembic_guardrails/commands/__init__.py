"""The commands of `migrations`, one module each."""
