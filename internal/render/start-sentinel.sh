# Starts a Sentinel. Run by sh as the first process of the container.
#
# A Sentinel writes down what it knows: whom it monitors, who else does, and for
# whom it has voted. That lasts as long as the pod, so that a container that
# restarts forgets none of its votes. In a new pod it begins again with the id that
# it had, so that the others never count it twice, and monitors nobody until the
# operator has told it whom: until then it has no vote.
#
# Needs a POSIX sh with cat, mv and printf.
set -eu

conf=${VALKEY_CONF:-/etc/valkey}
data=${VALKEY_DATA:-/data}
own=$data/sentinel.conf

say() { printf 'start-sentinel.sh: %s\n' "$*"; }

if [ -s "$own" ]; then
  say 'goes on with what it knew'
else
  say 'begins anew: it monitors nobody until it is told'
  umask 077
  {
    cat "$conf/sentinel.conf" "$conf/secret/sentinel-auth.conf"
    printf 'sentinel announce-ip %s\n' "$ANNOUNCE_HOSTNAME"
    printf 'sentinel myid %s%02x\n' "$ID_PREFIX" "${POD_NAME##*-}"
  } >"$own.new"
  mv "$own.new" "$own"
fi
# It is the same program in every image; its other name is not.
exec valkey-server "$own" --sentinel
