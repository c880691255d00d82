#!/usr/bin/env bash
# Generates what follows from the types in api/: deepcopy functions, the CRD in
# the Helm chart, and the API reference.
#
#   hack/generate.sh           writes the files
#   hack/generate.sh --check   fails, and says which, when files are not current
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

controller_gen=sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0

# generate FOLDER writes every generated file below it, at its place in the
# repository.
generate() {
  local out=$1
  mkdir -p "$out/api/v1alpha1" "$out/charts/valkeeper/crds"
  go run "$controller_gen" \
    object paths=./api/... output:object:dir="$out/api/v1alpha1"
  go run "$controller_gen" \
    crd paths=./api/... output:crd:dir="$out/charts/valkeeper/crds"
  mkdir -p "$out/docs/reference"
  go run ./hack/apiref "$out/charts/valkeeper/crds/valkeeper.io_valkeys.yaml" >"$out/docs/reference/api.md"
}

files=(
  api/v1alpha1/zz_generated.deepcopy.go
  charts/valkeeper/crds/valkeeper.io_valkeys.yaml
  docs/reference/api.md
)

case "${1:-}" in
'')
  generate .
  ;;
--check)
  fresh=$(mktemp -d)
  trap 'rm -rf "$fresh"' EXIT
  generate "$fresh"
  stale=0
  for f in "${files[@]}"; do
    if ! diff -u "$f" "$fresh/$f"; then
      echo "not current: $f" >&2
      stale=1
    fi
  done
  if ((stale)); then
    echo "run hack/generate.sh and commit what it writes" >&2
    exit 1
  fi
  ;;
*)
  echo "usage: hack/generate.sh [--check]" >&2
  exit 2
  ;;
esac
