"""Passwords that cost next to nothing: what a real one costs, one test of agent.auth looks at."""

from agent.auth.passwords import Cost

CHEAP = Cost(memory_kib=32, passes=1, lanes=1)
