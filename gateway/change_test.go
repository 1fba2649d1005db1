package gateway

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/route"
)

// door is a table with one path that answers its text.
func door(path, text string) route.Table {
	return route.Table{Refuse: refuse, Routes: []route.Route{{Method: "GET", Path: path, ID: path, OwnTypes: true,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })}}}
}

// running is started with the server at hand.
func running(t *testing.T, cfg Config, tables ...route.Table) *Server {
	t.Helper()
	var server *Server
	started(t, cfg, func(s *Server) {
		server = s
		if _, err := s.Mount(tables); err != nil {
			t.Fatal(err)
		}
	})
	// Change needs a server that runs; it answers when it does.
	get(t, server.URL()+"/-/health")
	return server
}

// hammer asks url all the time, on new connections; stop reports the answers
// and the failures.
func hammer(t *testing.T, url func() string) (stop func() (map[string]int, []error)) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	answers, failures := map[string]int{}, []error{}
	end, first := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				res, err := client.Get(url())
				text := ""
				if err == nil {
					var b []byte
					b, err = io.ReadAll(res.Body)
					_ = res.Body.Close()
					text = string(b)
				}
				mu.Lock()
				if answers[text]++; err != nil {
					failures = append(failures, err)
				}
				mu.Unlock()
				once.Do(func() { close(first) })
			}
		})
	}
	<-first
	return func() (map[string]int, []error) {
		close(end)
		wg.Wait()
		return answers, failures
	}
}

// What is mounted is swapped under load: every request is answered by the one
// or the other, and none is refused.
func TestMountSwaps(t *testing.T) {
	s := running(t, DefaultConfig(), door("/d", "one"), door("/gone", "x"))
	stop := hammer(t, func() string { return s.URL() + "/d" })
	for range 50 {
		for _, text := range []string{"two", "one"} {
			ended, err := s.Mount([]route.Table{door("/d", text)})
			if err != nil {
				t.Fatal(err)
			}
			<-ended
		}
	}
	answers, failures := stop()
	if len(failures) > 0 || answers["one"]+answers["two"] == 0 || len(answers) > 2 {
		t.Errorf("answers %v, failures %v", answers, failures)
	}
	if code, _ := get(t, s.URL()+"/gone"); code != 404 {
		t.Errorf("a door that went answers %d", code)
	}
	if _, err := s.Mount([]route.Table{door("/e", "x"), door("/e", "y")}); err == nil {
		t.Error("two doors on one path were mounted")
	}
	if _, text := get(t, s.URL()+"/d"); text != "one" {
		t.Errorf("after an error the door answers %q", text)
	}
	if _, doc := get(t, s.URL()+"/-/openapi.json"); !strings.Contains(doc, `"/d"`) || strings.Contains(doc, `"/gone"`) {
		t.Errorf("the description is not that of what is mounted: %s", doc)
	}
}

// A request that is under way when its door goes is told, ends there, and is
// waited for.
func TestMountWaitsForRequests(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	s := running(t, DefaultConfig(), route.Table{Refuse: refuse, Routes: []route.Route{{Method: "GET", Path: "/long", ID: "long", OwnTypes: true,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(began)
			<-Draining(w)
			<-release
			_, _ = io.WriteString(w, "old")
		})}}})
	answer := make(chan string, 1)
	go func() {
		_, body := get(t, s.URL()+"/long")
		answer <- body
	}()
	<-began
	ended, err := s.Mount([]route.Table{door("/long", "new")})
	if err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, s.URL()+"/long"); body != "new" {
		t.Errorf("a new request is answered %q", body)
	}
	select {
	case <-ended:
		t.Error("the request under way was not waited for")
	default:
	}
	close(release)
	if body := <-answer; body != "old" {
		t.Errorf("the request under way is answered %q", body)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the end of the last request is not told")
	}
}

// Settings of requests, of the listener, and the address change under load.
func TestChange(t *testing.T) {
	s := running(t, DefaultConfig(), door("/d", "one"))
	first := s.URL()
	change := func(what string, set func(*Config)) {
		t.Helper()
		cfg := s.cfg
		set(&cfg)
		c, err := s.Change(cfg)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if c.URL() == s.URL() {
			get(t, c.URL()+"/-/health") // the one before still serves
		}
		if _, err := c.Apply([]route.Table{door("/d", "one")}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	stop := hammer(t, func() string { return s.URL() + "/d" })
	for range 5 {
		change("headers", func(c *Config) { c.Headers = map[string]string{"X-A": "b"} })
		change("timeouts of the listener", func(c *Config) { c.IdleTimeout++ })
		change("connections", func(c *Config) { c.MaxConnections-- })
	}
	if s.URL() != first {
		t.Errorf("the address went from %s to %s", first, s.URL())
	}
	answers, failures := stop()
	if len(failures) > 0 || answers["one"] == 0 || len(answers) != 1 {
		t.Errorf("answers %v, failures %v", answers, failures)
	}
	res, err := http.Get(s.URL() + "/d")
	if err != nil || res.Header.Get("X-A") != "b" {
		t.Errorf("%v %v", res, err)
	}
	_ = res.Body.Close()
	stop = hammer(t, func() string { return s.URL() + "/d" })
	change("address", func(c *Config) { c.Listen = "127.0.0.2:0" })
	answers, failures = stop()
	if s.URL() == first || answers["one"] == 0 {
		t.Errorf("at %s: answers %v", s.URL(), answers)
	}
	// A client that read the old address just before the change is late; no
	// more than the four that ask.
	if len(failures) > 4 {
		t.Errorf("failures %v", failures)
	}
	s.waitLeft(t)
	if c, err := net.Dial("tcp", strings.TrimPrefix(first, "http://")); err == nil {
		_ = c.Close()
		t.Error("the old address still accepts")
	}
}

// waitLeft waits for the listeners that were replaced.
func (s *Server) waitLeft(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	var served []chan struct{}
	for e := range s.leaving {
		served = append(served, e.served)
	}
	s.mu.Unlock()
	for _, ch := range served {
		select {
		case <-ch:
		case <-time.After(10 * time.Second):
			t.Fatal("a listener that was replaced still serves")
		}
	}
}

// A connection with a request under way lives on behind the change.
func TestChangeFinishesRequests(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	s := running(t, DefaultConfig(), route.Table{Refuse: refuse, Routes: []route.Route{{Method: "GET", Path: "/long", ID: "long", OwnTypes: true,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(began)
			<-release
			_, _ = io.WriteString(w, "old")
		})}}})
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /long HTTP/1.1\r\nHost: h\r\n\r\n")
	<-began
	cfg := s.cfg
	cfg.IdleTimeout++
	c, err := s.Change(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Apply(nil); err != nil {
		t.Fatal(err)
	}
	close(release)
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(res.Body); err != nil || string(b) != "old" {
		t.Errorf("%q %v", b, err)
	}
}

// What cannot be opened or mounted changes nothing.
func TestChangeFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := running(t, DefaultConfig(), door("/d", "one"))
	cfg := s.cfg
	cfg.Listen = taken.Addr().String()
	if _, err := s.Change(cfg); err == nil || !strings.Contains(err.Error(), "serve http") {
		t.Errorf("an address that is taken: %v", err)
	}
	cfg.Listen = "0.0.0.0:0"
	if _, err := s.Change(cfg); err == nil || !strings.Contains(err.Error(), "allow_anonymous") {
		t.Errorf("an open address: %v", err)
	}
	cfg.Listen = "127.0.0.2:0"
	c, err := s.Change(cfg)
	if err != nil {
		t.Fatal(err)
	}
	opened := c.Addr().String()
	if _, err := c.Apply([]route.Table{door("/d", "x"), door("/d", "y")}); err == nil {
		t.Error("two doors on one path were mounted")
	}
	if conn, err := net.Dial("tcp", opened); err == nil {
		_ = conn.Close()
		t.Error("the listener of a change that failed still accepts")
	}
	if _, text := get(t, s.URL()+"/d"); text != "one" {
		t.Errorf("after failed changes the door answers %q", text)
	}
}

// Changes and mounts of a server that does not run, or no more, are errors.
func TestChangeNeedsARunningServer(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Listen, cfg.DrainTimeout = "127.0.0.1:0", connector.Duration(time.Second)
	s := New(cfg, nil)
	if _, err := s.Change(cfg); err == nil {
		t.Error("a server that does not run was changed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Change(cfg); !errors.Is(err, errStopped) {
		t.Error(err)
	}
	if _, err := s.Mount(nil); !errors.Is(err, errStopped) {
		t.Error(err)
	}
}
