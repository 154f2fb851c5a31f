"""The agent's end of the link to a firmware bridge."""
