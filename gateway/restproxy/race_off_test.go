//go:build !race

package restproxy

const (
	hugeBody = 1 << 30
	tiny     = 1_000_000
)
