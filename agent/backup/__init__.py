"""Backups of the whole appliance in one encrypted file: made, read, and put in place on this machine or another one."""
