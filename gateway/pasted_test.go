package gateway

import (
	"reflect"
	"strings"
	"testing"
)

// A key that was pasted where the name of its file belongs is an error that
// shows nothing of it, for every file key of http.tls.
func TestWhatIsPastedIntoTLSIsNotShown(t *testing.T) {
	const secret = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n-----END PRIVATE KEY-----\n"
	found := 0
	for i := range reflect.TypeFor[TLS]().NumField() {
		field := reflect.TypeFor[TLS]().Field(i)
		if field.Tag.Get("path") != "file" {
			continue
		}
		found++
		cfg := DefaultConfig()
		cfg.TLS = &TLS{CertFile: "chain.pem", KeyFile: "key.pem"}
		reflect.ValueOf(cfg.TLS).Elem().Field(i).SetString(secret)
		faults := cfg.Validate()
		if len(faults) != 1 || faults[0].Path != "tls."+field.Tag.Get("mapstructure") || !strings.Contains(faults[0].Message, "holds PEM text, not a path") || strings.Contains(faults[0].Message, "MIIE") {
			t.Errorf("%s: %v", field.Name, faults)
		}
	}
	if found != 3 {
		t.Errorf("%d file keys", found)
	}
}
