package produce

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// stream opens a produce stream; send writes to it and answer reads one line.
func stream(t *testing.T, url string) (send func(string), answer func() (string, error), end func()) {
	t.Helper()
	in, out := io.Pipe()
	req, _ := http.NewRequest("POST", url+recordsPath, in)
	req.Header.Set("Content-Type", "application/json")
	type result struct {
		res *http.Response
		err error
	}
	started := make(chan result, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		started <- result{res, err}
	}()
	var lines *bufio.Reader
	var body io.Closer
	send = func(s string) {
		if _, err := io.WriteString(out, s); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
	}
	answer = func() (string, error) {
		if lines == nil {
			r := <-started
			if r.err != nil {
				return "", r.err
			}
			lines, body = bufio.NewReader(r.res.Body), r.res.Body
		}
		line, err := lines.ReadString('\n')
		return untimed(strings.TrimSuffix(line, "\r\n")), err
	}
	end = func() {
		_ = out.Close()
		if body != nil {
			_ = body.Close()
		}
	}
	t.Cleanup(end)
	return send, answer, func() { _ = out.Close() }
}

func TestStreamAnswersWhileItIsOpen(t *testing.T) {
	_, client := broker(t)
	url := serve(t, Config{Route: OneCluster(kafkaPublisher{client})})
	send, answer, end := stream(t, url)
	for i := range 5 {
		// The next record has begun already: its beginning must not hold back
		// the answer to this one.
		send(`{"value":{"type":"JSON","data":1}}` + "\r\n" + `{"value":`)
		if got, err := answer(); err != nil || got != okV3(2*i, `,"value":{"type":"JSON","size":1}`) {
			t.Fatalf("answer %d: %s %v", i, got, err)
		}
		send(`null}`)
		if got, err := answer(); err != nil || got != okV3(2*i+1, "") {
			t.Fatalf("answer %d: %s %v", i, got, err)
		}
	}
	end()
	if got, err := answer(); err != io.EOF {
		t.Errorf("behind the end: %q %v", got, err)
	}
}

func TestStreamEnds(t *testing.T) {
	_, client := broker(t)
	t.Run("too old", func(t *testing.T) {
		url := serve(t, Config{Route: OneCluster(kafkaPublisher{client}), StreamMax: 100 * time.Millisecond, StreamGrace: time.Millisecond})
		send, answer, _ := stream(t, url)
		send("{}")
		if got, err := answer(); err != nil || !strings.HasPrefix(got, `{"error_code":200,`) {
			t.Fatalf("%s %v", got, err)
		}
		want := `{"error_code":408,"message":"Streaming connection open for longer than allowed: Connection will be closed."}`
		if got, err := answer(); err != nil || got != want {
			t.Errorf("%s %v", got, err)
		}
		if got, err := answer(); err == nil {
			t.Errorf("not closed: %s", got)
		}
	})
	t.Run("record too large", func(t *testing.T) {
		url := serve(t, Config{Route: OneCluster(kafkaPublisher{client}), MaxRecordBytes: 10000})
		body := `{}{"value":{"type":"STRING","data":"` + strings.Repeat("x", 100000) + `"}}{}`
		res, err := http.Post(url+recordsPath, "application/json", io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		lines := strings.Split(string(b), "\r\n")
		if len(lines) != 3 || !strings.HasPrefix(lines[0], `{"error_code":200,`) || !strings.Contains(lines[1], "Produce request size is larger than allowed threshold") {
			t.Errorf("got %s", b)
		}
	})
}

func TestStreamOfAClientThatVanishes(t *testing.T) {
	_, client := broker(t)
	url := serve(t, Config{Route: OneCluster(kafkaPublisher{client})})
	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	req, _ := http.NewRequestWithContext(ctx, "POST", url+recordsPath, in)
	req.Header.Set("Content-Type", "application/json")
	started := make(chan *http.Response, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
		}
		started <- res
	}()
	_, _ = io.WriteString(out, "{}")
	res := <-started
	cancel()
	_ = res.Body.Close()
	_ = out.Close()
	// serve's cleanup waits for the handler, and goleak for its goroutines.
}
