"""Files of many forms, and data sets of the hub -> records."""
