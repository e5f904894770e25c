"""The machine and the state directory: paths, locks, files, commands, names and addresses."""
