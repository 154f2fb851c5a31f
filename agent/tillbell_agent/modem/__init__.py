"""The GSM modem's side of the agent: AT commands, answers and unsolicited codes, without a port or a clock."""
