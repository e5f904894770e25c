"""Testing of plugins: a throw-away appliance, a toy service, and checks of everything that a plugin answers."""
