#!/usr/bin/env bash
# Runs one stage of the tests, with everything that it needs.
#
#   hack/test.sh unit          what needs nothing: logic, tables, the explorer
#   hack/test.sh conformance   real servers 8.1 and 9.1, as processes on loopback
#   hack/test.sh api           a real API server, without nodes
#   hack/test.sh e2e           a Kubernetes that hack/cluster.sh has brought up
#   hack/test.sh chaos         things break at random there, for TIME=20m; docs/chaos.md
#   hack/test.sh soak          what takes long and proves more of the same there
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
began=$SECONDS

say() {
  printf '\n== %s (%d s)\n' "$*" $((SECONDS - began))
}

# gotest MODULE FORMAT ARGUMENT... ends in one line "DONE n tests".
gotest() {
  local module=$1 format=$2
  shift 2
  (cd "$module" && go run gotest.tools/gotestsum@v1.13.0 --format "$format" --format-hide-empty-pkg \
    --hide-summary skipped,output -- "$@")
}

build_testbed() {
  (cd testbed && CGO_ENABLED=0 go build -o "$root/bin/testbed" ./cmd/testbed)
}

# packages PATTERN lists the operator's packages but those that match.
packages() {
  go list ./... | grep -vE "$1"
}

unit() {
  say "unit tests; those that need a server are skipped here, and run later"
  # Nothing may be found that the environment happens to offer.
  unset KUBECONFIG VALKEY_ROOT_8_1 VALKEY_ROOT_9_1 VALKEEPER_APISERVER_KUBECONFIG VALKEEPER_HELM
  local all
  all=$(packages /internal/sim)
  # shellcheck disable=SC2086  # they are many words
  gotest . pkgname $all
  gotest testbed pkgname ./...
  gotest test pkgname ./...
  say "the explorer: every interleaving in small worlds"
  # From within, so that go test shows what was explored.
  (cd internal/sim && go test)
  (cd internal/sim/cluster && go test)
  (cd internal/sim/sentinel && go test)
}

servers() {
  build_testbed
  VALKEY_ROOT_8_1=$(bin/testbed valkey-root 8.1)
  VALKEY_ROOT_9_1=$(bin/testbed valkey-root 9.1)
  export VALKEY_ROOT_8_1 VALKEY_ROOT_9_1 VALKEEPER_REQUIRE_SERVERS=1
}

conformance() {
  say "conformance with real servers 8.1 and 9.1"
  servers
  # Those with Sentinels mostly wait, for what Sentinels do every ten seconds. Apart, so
  # that they do not take the machine from those that measure.
  local watched
  watched=$(grep -ho '^func Test[A-Za-z0-9]*' internal/conformance/sentinel_*_test.go | sed 's/^func //' | paste -sd '|')
  gotest . testname -timeout 20m -skip "^($watched)\$" ./internal/conformance/...
  gotest . testname -timeout 20m -run "^($watched)\$" ./internal/conformance
  # One package at a time: they measure milliseconds.
  gotest test testname -p 1 ./ledger/...
}

api() {
  say "validation by a real API server, and the chart"
  servers
  local dir
  dir=$(mktemp -d)
  # shellcheck disable=SC2064  # the folder is known now and gone later
  trap "bin/testbed apiserver stop --dir '$dir'; rm -rf '$dir'" EXIT
  VALKEEPER_APISERVER_KUBECONFIG=$(bin/testbed apiserver start --dir "$dir")
  VALKEEPER_HELM=$(command -v helm || {
    GOBIN=$root/bin go install helm.sh/helm/v3/cmd/helm@v3.22.0 >&2
    echo "$root/bin/helm"
  })
  export VALKEEPER_APISERVER_KUBECONFIG VALKEEPER_HELM
  # What reads none of these settings has run before, and Go knows its result.
  local all
  all=$(packages '/internal/(conformance|sim)')
  # shellcheck disable=SC2086  # they are many words
  gotest . pkgname $all
}

e2e() {
  say "end to end on a real Kubernetes (CLUSTER=${CLUSTER:-testbed})"
  VALKEEPER_REQUIRE_CLUSTER=1 hack/cluster.sh run "${BASH_SOURCE[0]}" gotest-e2e "$@"
}

random_seed() {
  od -An -N4 -tu4 /dev/urandom | tr -d ' '
}

chaos() {
  export VALKEEPER_SEED=${SEED:-$(random_seed)} VALKEEPER_CHAOS_TIME=${TIME:-20m} VALKEEPER_CHAOS_EPISODE=${EPISODE:-}
  say "chaos, SEED=$VALKEEPER_SEED TIME=$VALKEEPER_CHAOS_TIME${EPISODE:+ EPISODE=$EPISODE}; report: out/chaos/index.html"
  e2e -run '^TestChaos$' -timeout 12h
}

soak() {
  VALKEEPER_SEED=${VALKEEPER_SEED:-$(random_seed)}
  export VALKEEPER_SEED
  say "soak, VALKEEPER_SEED=$VALKEEPER_SEED"
  e2e -tags soak -run "${RUN:-^TestSoak}" -timeout 4h
}

stage=${1:-}
shift || true
case $stage in
unit | conformance | api | e2e | chaos | soak) "$stage" "$@" ;;
gotest-e2e) gotest test standard-verbose -count 1 -parallel 3 -timeout 75m "$@" ./e2e/... ;;
*)
  echo "usage: hack/test.sh unit | conformance | api | e2e | chaos | soak" >&2
  exit 2
  ;;
esac
