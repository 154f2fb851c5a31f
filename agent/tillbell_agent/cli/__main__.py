"""``python -m tillbell_agent.cli``: the command where no script is installed."""

import sys

from tillbell_agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
