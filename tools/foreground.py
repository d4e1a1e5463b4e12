"""`foreground.py COMMAND...`: runs it as the terminal's foreground job, so that Ctrl-C reaches it alone.

Without this, `make` is interrupted too and reports a failure although the command ended as it should.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys


def owns_terminal() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def main(command: list[str]) -> int:
    if not owns_terminal():
        os.execvp(command[0], command)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # we hand the terminal over, and take it back from behind
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # nobody here could continue a job that Ctrl-Z has stopped
    with subprocess.Popen(command, process_group=0) as child:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: child.send_signal(number))
        os.tcsetpgrp(0, child.pid)
        child.wait()
    os.tcsetpgrp(0, os.getpgrp())
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
