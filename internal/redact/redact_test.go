package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/redact"
)

const pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----\n"

// What other servers say without a secret stays as it is.
func TestForeignKeepsWhatIsNone(t *testing.T) {
	for _, text := range []string{
		"Invalid client or Invalid client credentials",
		"invalid_client",
		"unauthorized_client (Invalid client secret)",
		"Bearer token is invalid",
		"AADSTS7000215: Invalid client secret provided.",
		"Timestamp 1764313000000 of message with offset 0 is out of range. The timestamp should be within [1764313000000, 9223372036854775807]",
		"Compacted topic cannot accept message without key in topic partition orders-0.",
		"org.apache.kafka.common.errors.SaslAuthenticationException: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256",
		"Subject 'orders-value' not found.; error code: 40401",
		"Schema being registered is incompatible with an earlier schema for subject \"orders-value\", details: [{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field customerName at path /fields/1'}]",
		"dial tcp 127.0.0.1:9092: connect: connection refused",
		"lookup b-1.kafka.c5abc123def.eu-west-1.amazonaws.com: no such host",
		"https://id.example.com:8443/realms/exporter/protocol/openid-connect/token",
		"2026-11-28T07:14:34Z",
		"Benutzername oder Passwort ist ungültig; bitte wenden Sie sich an den Administrator",
		"L'utilisateur n'est pas autorisé",
		"KDC_ERR_PREAUTH_FAILED Additional pre-authentication required",
	} {
		if got := redact.Foreign(text); got != text {
			t.Errorf("got  %s\nwant %s", got, text)
		}
	}
}

// No secret that nobody told us about, in whatever a server makes of it.
func TestForeignLeavesOutWhatLooksLikeOne(t *testing.T) {
	for _, secret := range []string{
		"Q7xk2P9vLm4TzR8w", "c2VjcmV0LXZhbHVlLTEyMw==", "6b7d1f2e-3a4b-4c5d-8e9f-0a1b2c3d4e5f",
		"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJleHBvcnRlciJ9.c2lnbmF0dXJl", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"ghp_16C7e42F292c6912E7710c838347Ae178B4a", "5f4dcc3b5aa765d61d8327deb882cf99", "xkqzjwpvhgtrmnbdf",
		"QWxhZGRpbjpPcGVuU2VzYW1l",
	} {
		for _, form := range []string{"bad header: %s", "{\"secret\":\"%s\"}", "Authorization: Basic %s", "client_secret=%s&grant_type=x", "got '%s'.", "(%s)", "https://id/t/%s"} {
			text := fmt.Sprintf(form, secret)
			got := redact.Foreign(text)
			for i := 0; i+8 <= len(secret); i++ {
				if strings.Contains(got, secret[i:i+8]) {
					t.Fatalf("%q became %q", text, got)
				}
			}
		}
	}
	for _, text := range []string{"Basic aWQ6cHc", "authorization=Basic", "password: hunter2", `"client_secret":"pass"`, "pwd=geheim", "token=abcdef"} {
		if got := redact.Foreign(text); !strings.Contains(got, redact.Mask) && text != "authorization=Basic" {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// A secret that is known is found in any form, whole or cut.
func TestKnownSecretsInEveryForm(t *testing.T) {
	for _, secret := range []string{"hunter2-geheim", "p&ss w/rd+<ü>", "correct horse battery staple", "Tr0ub4dor", "schneewittchen", `a"b\c'd-12345`} {
		lowerPercent := func(s string) string {
			var b strings.Builder
			for _, c := range []byte(s) {
				fmt.Fprintf(&b, "%%%02x", c)
			}
			return b.String()
		}
		forms := map[string]string{
			"plain": secret, "query": url.QueryEscape(secret), "path": url.PathEscape(secret), "lower percent": lowerPercent(secret),
			"upper percent": strings.ToUpper(lowerPercent(secret)), "twice": url.QueryEscape(url.QueryEscape(secret)),
			"html": html.EscapeString(secret), "json": strings.Trim(fmt.Sprintf("%q", secret), `"`), "hex": hex.EncodeToString([]byte(secret)),
			"basic":        base64.StdEncoding.EncodeToString([]byte("exporter:" + secret)),
			"basic form":   base64.StdEncoding.EncodeToString([]byte("exporter:" + url.QueryEscape(secret))),
			"basic url":    base64.RawURLEncoding.EncodeToString([]byte("e:" + secret)),
			"base64":       base64.StdEncoding.EncodeToString([]byte(secret)),
			"base64 +1":    base64.StdEncoding.EncodeToString([]byte("x" + secret)),
			"base64 cut":   base64.StdEncoding.EncodeToString([]byte("some-id:" + secret))[3:],
			"upper":        strings.ToUpper(secret),
			"beginning":    secret[:9] + "…",
			"end":          "…" + secret[len(secret)-8:],
			"base64 in %":  url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("id:" + secret))),
			"base64 twice": base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(secret)))),
		}
		var set redact.Set
		set.Add(secret)
		for name, form := range forms {
			text := "the server says: " + form + " is wrong"
			for how, got := range map[string]string{"Mask": set.Mask(text), "Foreign": redact.Foreign(text, secret)} {
				if name == "base64 twice" && how == "Mask" {
					continue // only what looks like a secret is known then
				}
				if !strings.Contains(got, redact.Mask) || !strings.HasPrefix(got, "the server says: ") || !strings.HasSuffix(got, " is wrong") {
					t.Errorf("%s, %s: %q became %q", how, name, text, got)
				}
				for i := 0; i+8 <= len(form) && name != "beginning" && name != "end"; i++ {
					if strings.Contains(got, form[i:i+8]) {
						t.Errorf("%s, %s: %q became %q", how, name, text, got)
						break
					}
				}
			}
		}
	}
}

// Words of the program, and those that were opened, stay.
func TestMaskKeepsTheReportReadable(t *testing.T) {
	var set redact.Set
	for _, secret := range []string{"kafka", "9092", "orders", "token", "password", "broker.example.com", "est", "my-kafka-password-7Q"} {
		set.Add(secret)
	}
	for _, word := range []string{"orders", "broker.example.com", "broker.example.com:9092", "127.0.0.1:9092"} {
		set.Open(word)
	}
	for _, text := range []string{
		"connecting to the kafka broker broker.example.com:9092: password is required",
		"requesting a token: write to orders at 127.0.0.1:9092",
		"orders: read 1 = acknowledged 1",
	} {
		if got := set.Mask(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	for text, want := range map[string]string{
		"it was my-kafka-password-7Q": "it was ******",
		"got 9092":                    "got ******",
		"got est":                     "got ******",
	} {
		if got := set.Mask(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestJAASLineAndURLAreTakenApart(t *testing.T) {
	var set redact.Set
	set.Add(`org.apache.kafka.common.security.plain.PlainLoginModule required username="exporter" password="hunter2geheim";`)
	set.Add("postgres://app:dbpass77@db.example.com/orders")
	set.Add("Bearer opaque-token-1")
	for text, want := range map[string]string{
		"PlainLoginModule required username exporter": "PlainLoginModule required username exporter",
		"it says hunter2geheim":                       "it says ******",
		"db.example.com/orders refused dbpass77":      "db.example.com/orders refused ******",
		"got opaque-token-1":                          "got ******",
	} {
		if got := set.Mask(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestQuotePathKey(t *testing.T) {
	for value, want := range map[string]string{
		"SASL_SLL": `"SASL_SLL"`, "broker:port": `"broker:port"`, "b-1.c5abc123def.kafka.eu-west-1.amazonaws.com:99999": `"b-1.c5abc123def.kafka.eu-west-1.amazonaws.com:99999"`,
		"SCRAM-SHA-257": `"SCRAM-SHA-257"`, "": `""`, "user:pw@host": "12 characters", pem: "PEM text", "Q7xk2P9vLm4TzR8w": "16 characters",
		"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJleHBvcnRlciJ9.c2lnbmF0dXJl": "a token",
		strings.Repeat("x y ", 100):                                  "399 bytes",
	} {
		if got := redact.Quote(value); !strings.Contains(got, want) || !strings.HasPrefix(want, `"`) && strings.Contains(got, value) {
			t.Errorf("Quote(%q) = %s, want %s", value, got, want)
		}
	}
	for name, want := range map[string]string{
		"certs/client.pem": `"certs/client.pem"`, "/run/secrets/kafka/tls.key": `"/run/secrets/kafka/tls.key"`, "ca.pem": `"ca.pem"`,
		"/tmp/headrace-keycloak-3625611438/realm/client.p12": `"/tmp/headrace-keycloak-3625611438/realm/client.p12"`,
		pem: "PEM text", strings.Repeat("QUJDREVGR0hJSktM", 5): "base64", "Q7xk2P9vLm4TzR8w": "16 characters",
	} {
		if got := redact.Path(name); !strings.Contains(got, want) {
			t.Errorf("Path(%q) = %s, want %s", name, got, want)
		}
	}
	for key, want := range map[string]string{"bootstrap_servr": `"bootstrap_servr"`, "password:hunter2": `"password" and more`, "Q7xk2P9vLm4TzR8w": "of 16 characters"} {
		if got := redact.Key(key); !strings.Contains(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("Key(%q) = %s, want %s", key, got, want)
		}
	}
}

func FuzzForeign(f *testing.F) {
	f.Add("Basic aWQ6c2VjcmV0LXZhbHVl %7a&amp;\\u00e4\xff", "secret-value")
	f.Fuzz(func(t *testing.T, text, secret string) {
		got := redact.Foreign(text, secret)
		if len(got) > 420 {
			t.Errorf("%d bytes", len(got))
		}
		var set redact.Set
		set.Add(secret)
		set.Mask(text)
	})
}
