# Everything here works from a clean clone with Go and root; what else is needed
# it builds or installs, and says so. `make help` tells what there is.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Which Kubernetes: testbed (made on this machine), kind, or current.
CLUSTER ?= testbed
TOPOLOGY ?= Replication
export CLUSTER

MODULES := . testbed test
LINT_VERSION := v2.15.0
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/valkeeper
LINT := $(CACHE)/golangci-lint-$(LINT_VERSION)/golangci-lint

.PHONY: help
help: ## Tell what there is
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nCLUSTER=testbed (default), kind or current says which Kubernetes; see hack/cluster.sh.\n'

##@ See it
.PHONY: demo
demo: cluster-up ## Change an image under continuous writes, twice, and report to out/demo
	hack/cluster.sh run bash -c 'cd test && go run ./cmd/demo -topology $(TOPOLOGY)'

.PHONY: cluster-up
cluster-up: ## Bring a Kubernetes up, with the images of this checkout
	hack/cluster.sh up

.PHONY: cluster-down
cluster-down: ## End it
	hack/cluster.sh down

##@ Prove it
.PHONY: test
test: test-unit test-conformance test-api test-e2e ## Run every test; needs nothing prepared

.PHONY: test-unit
test-unit: ## Logic, tables and the explorer: no server, no Kubernetes
	hack/test.sh unit

.PHONY: test-conformance
test-conformance: ## Real servers, as processes on loopback
	hack/test.sh conformance

.PHONY: test-api
test-api: ## The resource's validation by a real API server; the chart
	hack/test.sh api

.PHONY: test-e2e
test-e2e: cluster-up ## Real Kubernetes, real servers, continuous writes; RUN='-run Budget' picks some
	hack/test.sh e2e $(RUN)

.PHONY: explore
explore: ## Walk the simulated worlds within larger bounds
	cd internal/sim && VALKEEPER_EXPLORE=large go test -timeout 2h
	cd internal/sim/cluster && VALKEEPER_EXPLORE=large go test -timeout 2h
	cd internal/sim/sentinel && VALKEEPER_EXPLORE=large go test -timeout 2h

.PHONY: chaos
chaos: cluster-up ## Break things at random for TIME=20m; SEED=7 EPISODE=3.2 plays one again; see docs/chaos.md
	SEED='$(SEED)' TIME='$(TIME)' EPISODE='$(EPISODE)' hack/test.sh chaos

.PHONY: soak
soak: cluster-up ## Many rolls, kills at random, lost hosts, 1 GB, idle instances: two hours or more
	hack/test.sh soak

##@ Change it
.PHONY: build
build: ## Compile everything
	@for module in $(MODULES); do (cd $$module && go build ./...); done

.PHONY: images
images: cluster-up ## Build the images and give them to the Kubernetes

.PHONY: lint
lint: $(LINT) ## Check style and the laws of the architecture
	@status=0; for module in $(MODULES); do echo "lint $$module"; \
		(cd $$module && $(LINT) run --config $(CURDIR)/.golangci.yml ./...) || status=1; done; \
	if grep -rn nolint internal/{model,plan,rollout,topology}; then echo "nothing is waived where decisions are made"; status=1; fi; \
	exit $$status

$(LINT):
	@echo "building golangci-lint $(LINT_VERSION); a few minutes, once"
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

.PHONY: generate
generate: ## Write what follows from the types in api/
	hack/generate.sh

.PHONY: generate-check
generate-check: ## Fail if what is generated is not current
	hack/generate.sh --check

.PHONY: clean
clean: cluster-down ## End the Kubernetes and remove what was built and reported; the cache stays
	rm -rf bin out
