package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestDevDoesWhatItPrints starts dev, pastes the curl line that it prints, and
// stops it.
func TestDevDoesWhatItPrints(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatalf("the printed line needs curl: %v", err)
	}
	out, in := io.Pipe()
	var log bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run([]string{"dev", "--listen", "127.0.0.1:0"}, strings.NewReader(""), in, &log)
		in.Close()
	}()
	var text strings.Builder
	scan := bufio.NewScanner(out)
	for scan.Scan() && !strings.HasPrefix(scan.Text(), "Stop with") {
		text.WriteString(scan.Text() + "\n")
	}
	said := text.String()
	if !regexp.MustCompile(`^Exported (\d+) of (\d+) sample flights`).MatchString(said) || strings.Contains(said, "Exported 0") {
		t.Errorf("dev said %s", said)
	}
	line := said[strings.Index(said, "curl"):]
	answer, err := exec.Command("sh", "-c", line).Output()
	if err != nil || !strings.Contains(string(answer), `"offset":0,"error_code":null`) {
		t.Errorf("%s\nanswered %s, %v", line, answer, err)
	}
	for _, path := range []string{"/v3/clusters", "/-/metrics", "/-/ready", "/-/openapi.json"} {
		url := regexp.MustCompile(`http://[0-9.:]+`).FindString(line) + path
		res, err := http.Get(url)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %v, %v", path, res, err)
			continue
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if path == "/-/metrics" && !strings.Contains(string(body), `headrace_records_total{outcome="acknowledged",pipeline="http"} 1`) {
			t.Errorf("the record is not counted:\n%s", body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	select {
	case c := <-code:
		if c != exitOK {
			t.Errorf("exit code %d; log:\n%s", c, log.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("dev did not stop")
	}
}
