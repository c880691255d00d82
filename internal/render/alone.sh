# Runs a server once no other one works on its volume: sh alone.sh PROGRAM ARGUMENT...
# Run by sh as the first process of the container.
#
# A pod that is deleted by force is gone for Kubernetes at once, and the next one starts on
# the same volume while the old server still runs. It would load what the other one has not
# finished writing, and what that one acknowledges afterwards would be lost; and two servers
# that append to one file destroy it. So whoever works on a volume holds a lock on it, from
# before the first byte is read until its last process has ended.
#
# Needs a POSIX sh, and flock (of util-linux or busybox).
set -eu

data=${VALKEY_DATA:-/data}

say() { printf 'alone.sh: %s\n' "$*"; }

# The first process of a container gets only the signals that it asks for.
trap 'exit 0' TERM INT

# The lock is the open file's, which the server inherits.
alone() {
  if ! command -v flock >/dev/null 2>&1; then
    say 'there is no flock in this image'
    return 1
  fi
  if ! (: >>"$data/lock"); then
    say 'the file lock on the volume cannot be written to'
    return 1
  fi
  exec 9>>"$data/lock"
  if flock -n 9; then return 0; fi
  say 'waits for another server that still works on this volume'
  flock 9 &
  # A signal ends the wait.
  if ! wait $!; then
    say 'the volume knows no locks'
    return 1
  fi
  say 'the other server has ended'
}

alone || say 'a second server on this volume would not be kept out'
exec "$@"
