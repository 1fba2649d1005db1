package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/internal/embedded"
)

// A secured dev exports its sample as whoever it says, and refuses the rest.
func TestDevSecured(t *testing.T) {
	realm := *embedded.DefaultRealm()
	realm.Name, realm.Clients[0].Secret = "mine", "hunter2-is-secret"
	text, err := json.Marshal(realm)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "realm.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		args []string
		says string
	}{
		{"plain", []string{"--secure", "plain"}, "PLAIN, user exporter"},
		{"scram", []string{"--secure", "scram"}, "SCRAM-SHA-256 and -512, user exporter"},
		{"token of a realm", []string{"--secure", "oauthbearer", "--realm", file, "--fault", "error"}, "OAUTHBEARER for audience kafka, client exporter of http"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			said, stop := dev(t, tc.args...)
			defer stop()
			if !regexp.MustCompile(`^Exported [1-9]\d* of`).MatchString(said) || !strings.Contains(said, tc.says) || strings.Contains(said, "hunter2") {
				t.Errorf("dev said %s", said)
			}
			addr := regexp.MustCompile(`Kafka broker +([0-9.:]+)`).FindStringSubmatch(said)[1]
			open, err := kafka.NewCluster("open", kafka.Settings{BootstrapServer: []string{addr}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer open.Close()
			if _, err := open.Client(t.Context()); err == nil {
				t.Error("the broker takes anybody")
			}
			if tc.name != "token of a realm" {
				return
			}
			token := kafka.Settings{BootstrapServer: []string{addr}, SecurityProtocol: "SASL_PLAINTEXT", SASL: &kafka.SASL{Mechanism: "OAUTHBEARER",
				OAuth: auth.OAuthSettings{TokenURL: regexp.MustCompile(`http\S+/token`).FindString(said), ClientID: "exporter", ClientSecret: "hunter2-is-secret"}}}
			failing, err := kafka.NewCluster("failing", token, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer failing.Close()
			if _, _, err := failing.Token(t.Context()); connector.KindOf(err) != connector.Unavailable || !strings.Contains(err.Error(), "HTTP 500") {
				t.Errorf("--fault error: %v", err)
			}
		})
	}
}

// dev starts the command and returns what it printed, and how to end it.
func dev(t *testing.T, args ...string) (said string, stop func()) {
	t.Helper()
	out, in := io.Pipe()
	var log bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(append([]string{"dev", "--listen", "127.0.0.1:0"}, args...), strings.NewReader(""), in, &log)
		in.Close()
	}()
	var text strings.Builder
	scan := bufio.NewScanner(out)
	for scan.Scan() && !strings.HasPrefix(scan.Text(), "Stop with") {
		text.WriteString(scan.Text() + "\n")
	}
	return text.String(), func() {
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if text.Len() > 0 {
			if err := self.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case got := <-code:
			if got != exitOK {
				t.Errorf("exit code %d: %s", got, &log)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("dev does not stop")
		}
	}
}

func TestDevRefusesWrongFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"use plain, scram or oauthbearer": {"--secure", "tls"},
		"no such file":                    {"--realm", "/nowhere.json"},
		"use expired, wrong-audience":     {"--fault", "fire"},
	} {
		var out, said bytes.Buffer
		if code := run(append([]string{"dev", "--listen", "127.0.0.1:0"}, args...), strings.NewReader(""), &out, &said); code != exitBadConfig || !strings.Contains(said.String(), want) {
			t.Errorf("%v: exit code %d, %s", args, code, &said)
		}
	}
}
