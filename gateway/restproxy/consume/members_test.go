package consume

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// TestProofs: a proof is for one request, once, with one secret.
func TestProofs(t *testing.T) {
	const at = "http://127.0.0.1:1"
	m := &Members{Secret: []byte("a secret of all servers")}
	signed := func(by *Members) *http.Request {
		r := httptest.NewRequest("POST", "/consumers/g/instances/i/offsets", strings.NewReader("{}"))
		by.sign(r, at, []byte("{}"))
		return r
	}
	a := &arrivals{Members: m}
	r := signed(m)
	proof := r.Header.Get(HopHeader)
	if hop, _, err := a.arrived(r, at); !hop || err != nil {
		t.Fatal(hop, err)
	}
	again := signed(m)
	again.Header.Set(HopHeader, proof)
	moved, other := signed(m), signed(m)
	moved.Method = "DELETE"
	other.Body = http.NoBody
	for name, r := range map[string]*http.Request{"used before": again, "another method": moved, "another body": other, "another secret": signed(&Members{Secret: []byte("x")})} {
		if hop, _, err := a.arrived(r, at); hop || err == nil {
			t.Errorf("%s: %v %v", name, hop, err)
		}
	}
	if hop, _, err := a.arrived(signed(m), "http://127.0.0.1:2"); hop || err == nil {
		t.Error("for another server:", hop, err)
	}
	late := signed(m)
	late.Header.Set(HopHeader, "1 n "+m.request(late, at, "1", "n", []byte("{}")))
	if hop, _, err := a.arrived(late, at); hop || err == nil {
		t.Error("too old:", hop, err)
	}
	a.now = make(map[string]bool, maxNonces)
	for i := range maxNonces {
		a.now[strconv.Itoa(i)] = true
	}
	if a.first("one more") {
		t.Error("more nonces than the bound")
	}
}

// TestWhereMembersMayBe: the list alone says nothing.
func TestWhereMembersMayBe(t *testing.T) {
	m := &Members{Secret: []byte("a secret of all servers"), Allow: []string{"10.0.0.0/8", "gw.example.com"}}
	for at, want := range map[string]bool{"http://10.1.2.3:80": true, "http://gw.example.com:80": true, "http://11.0.0.1:80": false, "http://x:80": false,
		"ftp://10.1.2.3": false, "http://u:p@10.1.2.3": false, "http://10.1.2.3?a": false} {
		if _, ok := m.read(m.entry(at), "http://10.0.0.1:80"); ok != want {
			t.Errorf("%s: %v", at, ok)
		}
	}
	if _, ok := m.read(m.entry("http://10.1.2.3:80"), "https://10.0.0.1:80"); ok {
		t.Error("https fell to http")
	}
	if _, ok := m.read("http://10.1.2.3:80", "http://10.0.0.1:80"); ok {
		t.Error("an entry without signature")
	}
	l := &Members{Secret: m.Secret, Loopback: true}
	if _, ok := l.read(l.entry("http://10.1.2.3:80"), "http://127.0.0.1:80"); ok {
		t.Error("not on loopback")
	}
}
