# The quick loop is `make check`; what has to pass before a push is `make test`.
STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOLANGCI    = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME   ?= 10s
SOAK       ?= 1h
export CGO_ENABLED ?= 0

.PHONY: build run test check lint integration bench fuzz examples soak

build: ## the binary, in bin/
	go build -trimpath -ldflags '-s -w' -o bin/headrace ./cmd/headrace

run: build ## an in-process broker, a sample pipeline, the HTTP API
	bin/headrace dev

test: check integration ## everything

check: ## format, vet, staticcheck, import rules, fast tests under the race detector
	@out=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); test -z "$$out" || { echo "not formatted: $$out"; exit 1; }
	go vet ./... && go vet -tags integration ./... && $(STATICCHECK) -tags integration ./...
	CGO_ENABLED=1 go test -race -timeout 5m ./...

lint: ## the linters of .golangci.yml, wider than check's
	$(GOLANGCI) run ./...

integration: build ## the suites on real services, which test/services installs and starts
	go test -tags integration -count=1 -p 2 -timeout 14m $$(grep -rl --include='*_test.go' '^//go:build integration' . | xargs -n1 dirname | sort -u)

bench: build ## against kcat, Kafka's own perf tool and a bare Go gateway; BENCH=-quick for a short one
	go run ./test/bench $(BENCH)

fuzz: ## each fuzz target for FUZZTIME
	test/fuzz.sh $(FUZZTIME)

examples: build ## every example loads
	bin/headrace validate examples

soak: build ## an hour (SOAK) of exports, and of the producer alone, to brokers that are killed, frozen, restarted and changed
	HEADRACE_SOAK=$(SOAK) go test -tags integration -count=1 -timeout 0 -v -p 1 -run '^(TestBrokerFaults|TestProducerFaults)$$' ./test ./connector/kafka/producer
