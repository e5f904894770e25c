"""Who may do what in the web interface and its API: people, sessions, tokens, roles, and the record of what they did."""

from agent.auth.accounts import Accounts
from agent.auth.person import Person, Role, Session, Token

__all__ = ["Accounts", "Person", "Role", "Session", "Token"]
