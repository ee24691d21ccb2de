"""From the frames of a table's inputs to the frame of the table: thin functions over the models."""
