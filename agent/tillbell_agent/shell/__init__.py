"""Where the agent touches the world: serial ports, files, the clock, the service manager. No decisions."""
