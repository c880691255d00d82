# Starts the server of a Cluster's pod. Run by sh as the first process of the
# container.
#
# A server that came back as the primary that it was, with older data or none,
# would serve them at once, and its replicas would throw away what is newer. So a
# former primary is held back: the same server runs on the same data, but outside
# of the cluster and as a replica of nobody. It serves no client, its peers find
# its bus closed and elect a replica, and the operator can see how far its data
# reach. SHUTDOWN lets it go: it then joins with the identity that it had.
#
# Needs a POSIX sh with grep, mkdir, mv, printf, rm and sed.
set -eu

conf=${VALKEY_CONF:-/etc/valkey}
data=${VALKEY_DATA:-/data}
nodes=$data/nodes.conf

say() { printf 'start.sh: %s\n' "$*"; }

# The first process of a container gets only the signals that it asks for.
trap 'exit 0' TERM INT

# newer says whether the server is of 9.0 or later.
newer() {
  major=$(valkey-server --version | sed -n 's/.* v=\([0-9]*\)\..*/\1/p')
  [ "${major:-0}" -ge 9 ]
}

# was says whether this server had that role when it last knew.
was() { grep -Eq "^[0-9a-f]+ [^ ]+ myself,($1)" "$nodes"; }

has_data() { [ -s "$data/dump.rdb" ] || [ -e "$data/appendonlydir" ]; }

# join runs the server in the cluster, in place of this shell.
join() {
  set -- --cluster-announce-ip "$POD_IP" --cluster-announce-hostname "$ANNOUNCE_HOSTNAME"
  if newer; then
    # Older ones do not start with it.
    set -- "$@" --aclfile "$conf/secret/users-9.acl" --shutdown-on-sigterm failover
  elif [ -s "$nodes" ]; then
    match_shard_ids
  fi
  exec valkey-server "$conf/valkey.conf" "$@"
}

# match_shard_ids gives every replica in nodes.conf its primary's shard id. Servers
# learn that id some messages later than whose replica it is; one that ended in
# between does not start again (8.1: "corrupted cluster config file"). Newer ones
# do the same by themselves.
match_shard_ids() {
  while read -r id address flags primary rest; do
    case $flags in
      *slave*)
        shard=$(sed -n "s/^$primary [^ ]*,shard-id=\([0-9a-f]*\).*/\1/p" "$nodes")
        [ -z "$shard" ] || address=$(printf %s "$address" | sed "s/,shard-id=[0-9a-f]*/,shard-id=$shard/") ;;
    esac
    printf '%s\n' "$id $address $flags $primary${rest:+ $rest}"
  done <"$nodes" >"$nodes.new"
  mv "$nodes.new" "$nodes"
}

# hold runs the server outside of the cluster until it is let go. It writes
# nothing: its files are what is left to compare. It knows no user of other
# servers: its replicas could not synchronise from it anyhow, and would try again
# without a pause.
hold() {
  child=
  stopping=
  trap 'stopping=yes; stop' TERM INT
  valkey-server "$conf/valkey.conf" --aclfile "$conf/secret/users-held.acl" \
    --cluster-enabled no --replicaof 127.0.0.1 1 --replica-serve-stale-data no \
    --save '' --auto-aof-rewrite-percentage 0 &
  child=$!
  # Asked to end before there was a child to tell.
  [ -z "$stopping" ] || stop
  # A signal ends the wait, and not the server.
  code=0
  wait "$child" || code=$?
  while kill -0 "$child" 2>/dev/null; do
    code=0
    wait "$child" || code=$?
  done
  if [ -n "$stopping" ]; then
    say 'ends: it was asked to while it was held back'
    exit 0
  fi
  if [ "$code" -ne 0 ]; then
    say "ends: the server that was held back ended by itself with code $code"
    exit "$code"
  fi
  trap 'exit 0' TERM INT
}

stop() { [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || :; }

# set_aside keeps data that nobody can serve out of the server's way.
set_aside() {
  mkdir -p "$data/aside"
  for file in dump.rdb appendonlydir; do
    if [ -e "$data/$file" ]; then
      rm -rf "$data/aside/$file"
      mv "$data/$file" "$data/aside/$file"
    fi
  done
}

if [ "$PERSISTENCE" = None ]; then
  # Nothing outlives the process but who it was.
  rm -rf "$data/dump.rdb" "$data/appendonlydir"
fi
if [ ! -s "$nodes" ] && ! has_data; then
  say 'joins as a new server: there is no identity and there are no data'
elif [ ! -s "$nodes" ]; then
  say 'held back: there are data, but no identity that says whose they are'
  hold
  set_aside
  say 'joins as a new server: it was let go, and its data are in the folder aside'
elif was 'slave|replica'; then
  say 'joins as the replica that it was'
elif [ "$PERSISTENCE" = None ]; then
  say 'held back: it was a primary, and has no data any more (spec.persistence.mode is None)'
  hold
  rm -f "$nodes"
  say 'joins as a new server: it was let go, and its identity ends with its data'
else
  say 'held back: it was a primary, and others may have newer data'
  hold
  say 'joins with the identity that it had: it was let go'
fi
join
