package tlsstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/auth/tlsstore/certtest"
)

// issue makes a pair for the host "broker" and returns the file with both.
func issue(by *certtest.Authority, end time.Time, name string) string {
	return by.Issue(name, end, "broker").File
}

func reissue(t *testing.T, by *certtest.Authority, end time.Time, name, path string) {
	t.Helper()
	if err := os.WriteFile(path, by.Issue(name, end, "broker").PEM, 0o600); err != nil {
		t.Fatal(err)
	}
}

// shake connects as host with the client's settings to a server with the pair
// at path, and returns the name of the client certificate that it saw.
func shake(t *testing.T, c *Client, host, path string) (string, error) {
	t.Helper()
	cert, err := (&Store{Location: path}).Identity()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan string, 1)
	go func() {
		name := ""
		defer func() { done <- name }()
		far, err := listener.Accept()
		if err != nil {
			return
		}
		defer far.Close()
		_ = far.SetDeadline(time.Now().Add(10 * time.Second))
		server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{*cert}, ClientAuth: tls.RequestClientCert})
		if err := server.Handshake(); err == nil {
			if peers := server.ConnectionState().PeerCertificates; len(peers) > 0 {
				name = peers[0].Subject.CommonName
			}
		}
	}()
	near, err := net.DialTimeout("tcp", listener.Addr().String(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = near.SetDeadline(time.Now().Add(10 * time.Second))
	cfg, err := c.Config(host)
	if err == nil {
		err = tls.Client(near, cfg).Handshake()
	}
	if err != nil {
		_ = near.Close()
	}
	name := <-done
	_ = near.Close()
	return name, err
}

func TestEachFailureOfAHandshakeIsItsOwn(t *testing.T) {
	right, other := certtest.New(t, "CA"), certtest.New(t, "CA")
	good, ended := issue(right, time.Now().Add(time.Hour), "server"), issue(right, time.Now().Add(-time.Minute), "server")
	trust := &Store{Location: right.File}
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	for _, tc := range []struct {
		name, host, server string
		c                  *Client
		want               any
	}{
		{"right", "broker", good, NewClient(trust, nil, true), nil},
		{"unknown CA", "broker", good, NewClient(&Store{Location: other.File}, nil, true), &unknown},
		{"wrong host", "elsewhere", good, NewClient(trust, nil, true), &name},
		{"wrong host, not checked", "elsewhere", good, NewClient(trust, nil, false), nil},
		{"unknown CA, host not checked", "elsewhere", good, NewClient(&Store{Location: other.File}, nil, false), &unknown},
		{"expired", "broker", ended, NewClient(trust, nil, true), &invalid},
		{"expired, host not checked", "elsewhere", ended, NewClient(trust, nil, false), &invalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := shake(t, tc.c, tc.host, tc.server)
			if tc.want == nil && err != nil || tc.want != nil && !errors.As(err, tc.want) {
				t.Fatalf("%v, want %T", err, tc.want)
			}
		})
	}
}

func TestRotation(t *testing.T) {
	first, second := certtest.New(t, "CA"), certtest.New(t, "CA")
	server := issue(first, time.Now().Add(time.Hour), "server")
	client := issue(first, time.Now().Add(time.Hour), "one")
	trust := write(t, "trust.pem", "")
	replace := func(path, with string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(path, []byte(with), 0o600); err != nil {
			t.Fatal(err)
		}
		touch(t, path, age)
	}
	text := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	replace(trust, text(first.File), 0)
	c := NewClient(&Store{Location: trust}, &Store{Location: client}, true)
	sees := func(want string) {
		t.Helper()
		if name, err := shake(t, c, "broker", server); err != nil || name != want {
			t.Fatalf("the server saw %q, %v; want %q", name, err, want)
		}
	}
	sees("one")
	_, before, err := c.Current()
	if err != nil {
		t.Fatal(err)
	}

	reissue(t, first, time.Now().Add(time.Hour), "two", client)
	touch(t, client, time.Minute)
	sees("two")

	replace(client, "half a fi", 2*time.Minute)
	sees("two") // what was good stays in use while the file is half written
	if c.Err() == nil || !strings.Contains(c.Err().Error(), "neither PEM") || len(c.Check()) != 1 {
		t.Fatalf("the client does not tell: %v, %v", c.Err(), c.Check())
	}

	reissue(t, first, time.Now().Add(time.Hour), "three", client)
	touch(t, client, 3*time.Minute)
	sees("three")
	if c.Err() != nil {
		t.Fatal(c.Err())
	}

	replace(trust, text(second.File), 4*time.Minute)
	var unknown x509.UnknownAuthorityError
	if _, err := shake(t, c, "broker", server); !errors.As(err, &unknown) {
		t.Fatalf("the old CA is still trusted: %v", err)
	}
	if _, after, err := c.Current(); err != nil || after != before+3 {
		t.Fatalf("%d reads, want 3: %v", after-before, err)
	}
}

// touch makes a change visible on file systems with coarse clocks.
func touch(t *testing.T, path string, age time.Duration) {
	t.Helper()
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(age)); err != nil {
		t.Fatal(err)
	}
}

func TestCheck(t *testing.T) {
	by := certtest.New(t, "CA")
	c := NewClient(&Store{Location: "/nowhere"}, &Store{Location: issue(by, time.Now().Add(-time.Minute), "c")}, true)
	errs := c.Check()
	if len(errs) != 2 || !errors.Is(errs[0], ErrUnreadable) || !errors.Is(errs[1], ErrExpired) {
		t.Fatal(errs)
	}
	if _, err := c.Config("x"); !errors.Is(err, ErrUnreadable) {
		t.Fatal(err)
	}
}
