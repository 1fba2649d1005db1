//go:build race

package restproxy

// The race detector makes every byte dear.
const (
	hugeBody = 64 << 20
	tiny     = 50_000
)
