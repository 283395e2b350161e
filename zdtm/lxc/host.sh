#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Processes of the host with something of the outside: a shell's terminal, a pipe to somebody else.
case ${1:-} in
list) printf '%s\n' shell_job shell_job_control inherit_fd ;;
*) exec python3 "$(dirname "$0")/host.py" "$1" ;;
esac
