"""One module per narrated notebook from 05 on, with the notebook's name."""
