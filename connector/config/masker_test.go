package config_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/headrace/headrace/connector/config"
)

func TestMask(t *testing.T) {
	for name, c := range map[string]struct {
		secrets    []string
		text, want string
	}{
		"one":                    {[]string{"hunter22"}, "password hunter22!", "password ******!"},
		"several times":          {[]string{"abc"}, "abcabc abc", "****** ******"},
		"longer first":           {[]string{"kex", "kex-and-more"}, "kex-and-more kex", "****** ******"},
		"longer first, reversed": {[]string{"kex-and-more", "kex"}, "kex-and-more kex", "****** ******"},
		"too short":              {[]string{"ab", "", " a "}, "ab a b", "ab a b"},
		"with spaces around":     {[]string{" pass \n"}, "got pass", "got ******"},
		"in JSON":                {[]string{`a"b\c`}, `{"x":"a\"b\\c"}`, `{"x":"******"}`},
		"in a query":             {[]string{"p&ss w/rd"}, "?p=" + url.QueryEscape("p&ss w/rd"), "?p=******"},
		"in a path":              {[]string{"p ss"}, "/p%20ss/", "/******/"},
		"line of a key":          {[]string{"-----BEGIN-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END-----\n"}, "bad MIIEvQIBADANBgkqhkiG9w0B", "bad ******"},
		"none known":             {nil, "text", "text"},
	} {
		t.Run(name, func(t *testing.T) {
			var m config.Masker
			for _, s := range c.secrets {
				m.Add(s)
			}
			if got := m.Mask(c.text); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestMaskerLearnsWhileInUse(t *testing.T) {
	var m config.Masker
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				secret := fmt.Sprintf("secret-%d-%d.", g, i)
				m.Add(secret)
				if got := m.Mask("x" + secret + "y"); got != "x******y" {
					t.Errorf("a secret just added shows: %q", got)
				}
			}
		})
	}
	wg.Wait()
	var none *config.Masker
	none.Add("abc")
	if got := none.Mask("abc"); got != "abc" {
		t.Errorf("a nil masker gave %q", got)
	}
}

type hidden struct{ Inner string }

type told struct{}

func (told) LogValue() slog.Value { return slog.StringValue("told hunter22") }

func TestLogsAreMasked(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			var m config.Masker
			m.Add("hunter22")
			m.Add("4711")
			var out bytes.Buffer
			var next slog.Handler = slog.NewTextHandler(&out, nil)
			if format == "json" {
				next = slog.NewJSONHandler(&out, nil)
			}
			log := slog.New(m.Handler(next)).With("with", "hunter22").WithGroup("g")
			log.Info("message hunter22 stays readable",
				"string", "a hunter22 b",
				"error", fmt.Errorf("wrapped: %w", errors.New("hunter22")),
				"struct", hidden{"hunter22"},
				"pointer", &hidden{"hunter22"},
				"bytes", []byte("hunter22"),
				"map", map[string]any{"x": []string{"hunter22"}},
				"raw", json.RawMessage(`"hunter22"`),
				"valuer", told{},
				"number", 4711,
				"kept", 42,
				slog.Group("inner", "deep", "hunter22"),
			)
			log.DebugContext(context.Background(), "not enabled")
			got := out.String()
			for _, secret := range []string{"hunter22", "4711", "aHVudGVyMjI"} {
				if strings.Contains(got, secret) {
					t.Errorf("%s shows in %s", secret, got)
				}
			}
			for _, want := range []string{"stays readable", "a ****** b", "42", "wrapped: ******"} {
				if !strings.Contains(got, want) {
					t.Errorf("%q is missing in %s", want, got)
				}
			}
		})
	}
}
