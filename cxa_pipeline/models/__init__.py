"""Pure models: arrays and frames in, arrays and frames out; nothing of the rest of the project is imported."""
