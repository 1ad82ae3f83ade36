"""``python -m crossdl``."""

from crossdl.cli import main

main()
