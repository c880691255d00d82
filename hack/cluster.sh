#!/usr/bin/env bash
# Gives the demo and the end-to-end tests a Kubernetes, with our images in it.
#
#   hack/cluster.sh up              brings it up, with the images of this checkout
#   hack/cluster.sh down            ends it, if it is one that `up` made
#   hack/cluster.sh run COMMAND...  runs a command that talks to it
#
# CLUSTER says which:
#   testbed   (default) a real Kubernetes made on this machine; docs/testbed.md
#   kind      a kind cluster named valkeeper; needs kind and docker
#   current   the kubeconfig's current context. Its nodes must be able to pull:
#             REGISTRY=registry/path pushes the images there with docker, or
#             OPERATOR_IMAGE and LEDGER_IMAGE name images that are there.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
cluster=${CLUSTER:-testbed}
testbed=$root/bin/testbed

fail() {
  echo "cluster.sh: $*" >&2
  exit 1
}

need() {
  command -v "$1" >/dev/null || fail "CLUSTER=$cluster needs $1 on the PATH"
}

build_testbed() {
  (cd testbed && CGO_ENABLED=0 go build -o "$testbed" ./cmd/testbed)
}

# build NAME MODULE PACKAGE [FLAG...] makes a static binary, and an image of it
# named after the binary's contents, so that a changed one is another image.
build() {
  local name=$1 module=$2 package=$3
  shift 3
  local binary=bin/images/$name/${name%-failpoints}
  (cd "$module" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' "$@" -o "$root/$binary" "$package")
  local image tag
  tag=dev-$(sha256sum "$binary" | cut -c1-12)
  case $cluster in
  testbed)
    image=registry.valkeeper.test/$name:$tag
    "$testbed" load-image --name "$image" --binary "$binary" >&2
    ;;
  kind)
    image=valkeeper.test/$name:$tag
    docker build --quiet --tag "$image" --build-arg "PROGRAM=${name%-failpoints}" --file hack/Dockerfile "bin/images/$name" >&2
    kind load docker-image --name valkeeper "$image" >&2
    ;;
  current)
    image=${REGISTRY:?}/$name:$tag
    docker build --quiet --tag "$image" --build-arg "PROGRAM=${name%-failpoints}" --file hack/Dockerfile "bin/images/$name" >&2
    docker push --quiet "$image" >&2
    ;;
  esac
  echo "$image"
}

images() {
  mkdir -p bin
  local operator=${OPERATOR_IMAGE:-} failpoints=${FAILPOINTS_IMAGE:-} ledger=${LEDGER_IMAGE:-}
  if [[ -z $operator || -z $ledger ]]; then
    if [[ $cluster == current && -z ${REGISTRY:-} ]]; then
      fail "CLUSTER=current needs REGISTRY=registry/path to push images to, or OPERATOR_IMAGE and LEDGER_IMAGE"
    fi
    echo "building the operator and the ledger" >&2
    operator=$(build valkeeper . ./cmd/valkeeper)
    failpoints=$(build valkeeper-failpoints . ./cmd/valkeeper -tags failpoints)
    ledger=$(build ledger test ./cmd/ledger)
  fi
  cat >"bin/images-$cluster.env" <<END
export VALKEEPER_OPERATOR_IMAGE=$operator
export VALKEEPER_FAILPOINTS_IMAGE=$failpoints
export VALKEEPER_LEDGER_IMAGE=$ledger
END
}

up() {
  case $cluster in
  testbed)
    build_testbed
    "$testbed" up
    ;;
  kind)
    need kind
    need docker
    kind get clusters | grep -qx valkeeper || kind create cluster --name valkeeper
    ;;
  current) ;;
  *) fail "CLUSTER=$cluster is none of testbed, kind, current" ;;
  esac
  images
}

down() {
  case $cluster in
  testbed)
    build_testbed
    "$testbed" down
    ;;
  kind)
    need kind
    kind delete cluster --name valkeeper
    ;;
  current) echo "CLUSTER=current is yours: it is left as it is" ;;
  esac
}

# helm is the one on the PATH, or else the one that Go builds.
helm() {
  command -v helm || {
    GOBIN=$root/bin go install helm.sh/helm/v3/cmd/helm@v3.22.0 >&2
    echo "$root/bin/helm"
  }
}

environment() {
  case $cluster in
  testbed)
    local settings
    settings=$("$testbed" env)
    eval "$settings"
    export VALKEEPER_TESTBED=$testbed VALKEEPER_VALKEY_REPOSITORY=registry.valkeeper.test/valkey
    ;;
  kind)
    mkdir -p out
    kind get kubeconfig --name valkeeper >out/kind.kubeconfig
    export KUBECONFIG=$root/out/kind.kubeconfig
    ;;
  current) export KUBECONFIG=${KUBECONFIG:-$HOME/.kube/config} ;;
  esac
  # shellcheck source=/dev/null
  source "bin/images-$cluster.env"
  export VALKEEPER_CLUSTER=$cluster VALKEEPER_REPOSITORY=$root
  VALKEEPER_HELM=$(helm)
  export VALKEEPER_HELM
}

command=${1:-}
shift || true
case $command in
up) up ;;
down) down ;;
run)
  environment
  exec "$@"
  ;;
*) fail "usage: hack/cluster.sh up | down | run COMMAND..." ;;
esac
