package wire

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	want := time.UnixMilli(1650638927000)
	for _, s := range []string{"2022-04-22T14:48:47Z", "2022-04-22T14:48:47.000Z", "2022-04-22T16:48:47+02:00", "2022-04-22T16:48:47+0200", "2022-04-22T16:48:47+02", "2022-04-22T14:48:47", "1650638927000"} {
		if got, ok := ParseTime(s); !ok || !got.Equal(want) {
			t.Errorf("%s: %v %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "soon", "1.5", "2022-13-01T00:00:00Z", "2022-04-22"} {
		if got, ok := ParseTime(s); ok {
			t.Errorf("%s: %v", s, got)
		}
	}
}
