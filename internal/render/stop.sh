# Ends the service of a server whose pod is about to end, before it is told to stop
# (preStop): sh stop.sh PATIENCE TOPOLOGY
#
# A primary that is stopped takes its writes with it until another one has been found.
# So while this server is primary and has replicas, it waits for the operator to hand its
# role over, for PATIENCE seconds. If nobody comes, it asks for that itself, once. While a
# failover is under way, whoever's it is, it only waits. It is one owner at a time: the
# operator begins none when the time is almost over (internal/model/termination.go).
#
# A replica is let go at once, and so are a primary without replicas, and a server that
# does not answer. One that has just been demoted stays a moment longer: clients are told
# READONLY or MOVED as long as somebody answers them, and an address that has vanished
# does not refuse, it swallows. Nothing here may keep a pod from ending: whatever fails,
# it goes on to its end.
#
# Needs a POSIX sh with cat, date, printf, sed, sleep, sort, tr and valkey-cli.
set -u

conf=${VALKEY_CONF:-/etc/valkey}
patience=${1:-12}
topology=${2:-Replication}
# Seconds that a failover may take, and that a demoted server stays.
failover=7
settle=2

# What is said here is read in the log of the server's container, if that can be written to.
say() { { printf 'stop.sh: %s\n' "$*" >>"${STOP_LOG:-/proc/1/fd/1}"; } 2>/dev/null || :; }

# The password is in no command line. Older clients read the second name.
VALKEYCLI_AUTH=$(cat "$conf/secret/stop-password" 2>/dev/null) || exit 0
REDISCLI_AUTH=$VALKEYCLI_AUTH
export VALKEYCLI_AUTH REDISCLI_AUTH

# A server that accepts and says nothing must not keep us.
bounded=
if command -v timeout >/dev/null 2>&1; then bounded='timeout 2'; fi
cli() { $bounded valkey-cli --no-auth-warning --user valkeeper-stop "$@" 2>/dev/null </dev/null; }
here() { cli -h "${VALKEY_HOST:-127.0.0.1}" -p "${VALKEY_PORT:-6379}" "$@"; }

now() { date +%s; }
field() { printf '%s\n' "$seen" | sed -n "s/^$1:\([^,]*\).*/\1/p"; }

# look asks the server who it is. A failover closes connections: once is never.
look() {
  for _ in 1 2 3; do
    seen=$(here info replication clients | tr -d '\r')
    role=$(field role)
    [ -z "$role" ] || return 0
    sleep 0.1
  done
  return 1
}

# failing says that a failover is under way.
failing() {
  case $(field master_failover_state) in '' | no-failover) ;; *) return 0 ;; esac
  [ "$(field paused_reason)" = failover_in_progress ]
}

# keeps says that this server is primary still, and that somebody could take over, or is
# about to: in a Cluster he has left the replicas before this server hears that he was
# elected.
keeps() { look && [ "$role" = master ] && { replicas || failing; }; }
replicas() { [ "$(field connected_slaves)" != 0 ]; }

# ask begins a failover.
ask() {
  case $topology in
    Cluster)
      # The replica that has the most is asked first.
      for replica in $(printf '%s\n' "$seen" |
        sed -n 's/^slave[0-9]*:ip=\([^,]*\),port=\([0-9]*\),state=online,offset=\([0-9]*\).*/\3,\1,\2/p' | sort -rn); do
        address=${replica#*,}
        answer=$(cli -h "${address%,*}" -p "${address#*,}" cluster failover)
        say "has asked ${address%,*} to take over: $answer"
        if [ "$answer" = OK ]; then return 0; fi
      done
      return 1
      ;;
    Sentinel) return 1 ;; # that is theirs: they elect another one once this one has ended
    *)
      answer=$(here failover timeout 5000)
      say "has asked for a failover: $answer"
      [ "$answer" = OK ]
      ;;
  esac
}

# await_role waits for the role to move: for so many seconds, and while a failover is under
# way for the time that it may take.
await_role() {
  from=$(now)
  while keeps; do
    waited=$(($(now) - from))
    if [ "$waited" -ge "$1" ] && { ! failing || [ "$waited" -ge $(($1 + failover)) ]; }; then return 1; fi
    sleep 0.2
  done
}

# linked prints for how many seconds the link to the primary has stood.
linked() { here client list type master | sed -n 's/.* age=\([0-9]*\) .*/\1/p'; }

# users says that anybody is connected who is none of ours.
users() {
  [ -n "$(here client list | sed -e '/ flags=[MS]/d' -e '/ user=valkeeper /d' -e '/ user=valkeeper-stop /d' \
    -e '/ user=replication /d' -e '/ user=sentinel /d' -e '/ user=migration /d' -e '/ user=/!d')" ]
}

# fresh says that this server has been a replica for a moment only.
fresh() {
  failing || [ "$(linked | sed '/^[01]$/!d')" ]
}

# leave lets the clients of a server that has just been demoted go elsewhere: until nobody
# has been seen for some looks, or for a moment, and until the link to the new primary stands.
leave() {
  from=$(now)
  quiet=0
  while [ $(($(now) - from)) -lt $((settle + failover)) ] && look && [ "$role" = slave ]; do
    if [ "$(field master_link_status)" = up ] && ! failing; then
      if users; then quiet=0; else quiet=$((quiet + 1)); fi
      if [ "$quiet" -ge 3 ] || ! fresh; then return 0; fi
    fi
    sleep 0.1
  done
}

look || exit 0
if [ "$role" = slave ]; then
  if fresh; then leave; fi
  exit 0
fi
replicas || failing || exit 0
say "is primary, and its pod is to end: waits up to $patience s for the operator to hand over"
if ! await_role "$patience"; then
  say 'nobody came'
  keeps && ! failing && ask && await_role "$failover"
fi
if [ "${role:-}" = slave ]; then
  say 'is no longer primary'
  leave
fi
exit 0
